"""Texts of Claude Code that stand in the place of a person's, and those beside a person's words."""

import json
from typing import Any

import pytest

from sessions_app.providers import display_message
from sessions_app.providers.shapes import Notice, Prompt, Shape, Text
from tests import recorded


def said(text: str, **more: Any) -> list[Shape]:
    event = {"type": "user", "message": {"content": text}, **more}
    return display_message("claude-code", "user", json.dumps(event), recorded.PROJECT)


@pytest.mark.parametrize("tag", ["system-reminder", "ide_selection", "new-diagnostics"])
def test_a_persons_words_after_what_the_tool_added_are_a_prompt(tag):
    added = f"<{tag}>Be brief.</{tag}>\n"
    notice, *others, prompt = said(f"{added}{added}\nMake it <b>blue</b>.")
    assert isinstance(notice, Notice) and notice.detail == "Be brief."
    assert others == [notice]
    assert prompt == Prompt("Make it <b>blue</b>.")
    assert said(added) == [notice]
    assert said(f"{added}Look around.", parent_tool_use_id="t") == [
        notice,
        Text("Look around.", "t"),
    ]


def test_each_task_that_ended_is_told():
    def task(status: str, summary: str) -> str:
        inner = f"<status>{status}</status>\n<summary>{summary}</summary>"
        return f"<task-notification>\n{inner}\n</task-notification>"

    first, second = said(f"{task('completed', 'One')}\n{task('failed', 'Two')}\nRead the file.")
    assert isinstance(first, Notice) and (first.text, first.level) == ("One", "info")
    assert isinstance(second, Notice) and (second.text, second.level) == ("Two", "warning")
    assert second.detail.endswith("Read the file.")


def test_a_teammates_message_is_no_prompt():
    text = '<teammate-message teammate_id="ann" color="blue">\nIt is done.\n</teammate-message>'
    assert said(text) == [Notice("Teammate ann: It is done.")]


def test_a_caveat_and_the_command_after_it_are_both_told():
    caveat = "<local-command-caveat>Not for you.</local-command-caveat>"
    command = "<command-name>/model</command-name>\n<command-args>x</command-args>"
    output = "<local-command-stdout>Set.</local-command-stdout>"
    _, *others = said(f"{caveat}\n{command}\n{output}")
    assert others == [Notice("Command: /model x"), Notice("Set.")]


def test_a_flood_of_elements_makes_few_notices():
    flood = "<system-reminder>x</system-reminder>" * 20_000
    assert len(said(flood)) < 100
