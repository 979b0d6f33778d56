"""One odd block hides nothing beside it."""

import json
import random
from copy import deepcopy
from typing import Any

import pytest

from sessions_app.providers import display_message
from sessions_app.providers.shapes import (
    FileChange,
    Link,
    Notice,
    Plan,
    Result,
    Shape,
    Text,
    ToolResult,
    ToolUse,
    Unknown,
)
from tests import recorded

CLAUDE, CODEX = "claude-code", "codex-cli"
BEFORE, AFTER = Text("Said before."), Text("Said after.")


def show(provider: str, event: dict[str, Any]) -> list[Shape]:
    return display_message(provider, "assistant", json.dumps(event), recorded.PROJECT)


def message(*blocks: Any, kind: str = "assistant", **more: Any) -> list[Shape]:
    return show(CLAUDE, {"type": kind, "message": {"content": [*blocks]}, **more})


def between(block: Any) -> list[Shape]:
    """What a block shows that stands between two others, which are shown as always."""
    said = [{"type": "text", "text": shape.markdown} for shape in (BEFORE, AFTER)]
    before, *shown, after = message(said[0], block, said[1])
    assert (before, after) == (BEFORE, AFTER)
    return shown


def item(**fields: Any) -> list[Shape]:
    return show(CODEX, {"type": "item.completed", "item": {"id": "item_1", **fields}})


def test_a_text_without_its_text_is_shown_for_what_it_is():
    (notice,) = between({"type": "text"})
    assert isinstance(notice, Notice)
    assert "text" in notice.text


@pytest.mark.parametrize("block", [None, 7, [], {}, {"type": 7}, {"type": "new", "beam": 1}])
def test_what_is_no_known_block_is_shown_raw_by_itself(block):
    (unknown,) = between(block)
    assert isinstance(unknown, Unknown)
    assert json.loads(unknown.raw) == block


@pytest.mark.parametrize("block", [{"name": "Bash"}, {"name": "Bash", "id": 7, "input": "make"}])
def test_a_call_without_its_fields_is_still_a_call(block):
    (call,) = between({"type": "tool_use", **block})
    assert isinstance(call, ToolUse)
    assert call.name == "Bash"


def test_arguments_by_position_are_told_in_their_order():
    (call,) = between({"type": "tool_use", "id": "t", "name": "run", "input": ["make", 2]})
    assert isinstance(call, ToolUse)
    assert call.arguments == {"1": "make", "2": 2}
    assert call.summary == "make"


@pytest.mark.parametrize(
    "kind", ["web_search", "web_fetch", "mcp", "code_execution", "tool_search"]
)
def test_an_error_where_results_were_expected_is_told(kind):
    error = {"type": f"{kind}_tool_result_error", "error_code": "max_uses_exceeded"}
    block = {"type": f"{kind}_tool_result", "tool_use_id": "s", "content": error}
    assert between(block) == [ToolResult("s", "max uses exceeded", is_error=True)]


def test_one_odd_block_of_a_result_does_not_hide_the_others():
    content = [{"type": "text"}, 7, {"type": "text", "text": "found"}, {"type": "new", "x": "y"}]
    (result,) = between({"type": "tool_result", "tool_use_id": "t", "content": content})
    assert isinstance(result, ToolResult)
    assert "found" in result.text.split("\n")
    assert '"x": "y"' in result.text


def test_a_change_that_is_told_oddly_leaves_what_was_said_of_it():
    block = {"type": "tool_result", "tool_use_id": "t", "content": "The file was updated."}
    told = {"filePath": "a.py", "structuredPatch": [{"lines": 7}]}
    assert message(block, kind="user", tool_use_result=told) == [
        ToolResult("t", "The file was updated.")
    ]


def test_the_end_of_a_turn_shows_what_it_has_whatever_its_other_fields_hold():
    end = {"type": "result", "result": "42", "num_turns": "two", "duration_ms": 1200}
    odd = {"permission_denials": {"error": "no"}, "usage": 7, "total_cost_usd": "much"}
    (result,) = show(CLAUDE, {**end, **odd})
    assert result == Result("42", tokens=0, duration_ms=1200)


def test_an_answer_by_a_schema_is_the_answer():
    (end,) = show(CLAUDE, {"type": "result", "structured_output": {"sum": 42}})
    assert isinstance(end, Result)
    assert end.text == '```json\n{\n  "sum": 42\n}\n```'


def test_codex_shows_the_changes_and_steps_beside_an_odd_one():
    changes = [{"kind": "add"}, 7, {"path": "a.py", "kind": "moved"}, {"path": "b", "kind": "add"}]
    shown = item(type="file_change", changes=changes)
    assert [(shape.path, shape.kind) for shape in shown if isinstance(shape, FileChange)] == [
        ("a.py", "update"),
        ("b", "add"),
    ]
    (plan,) = item(type="todo_list", items=[{"text": 7}, {"text": "Look", "completed": True}])
    assert isinstance(plan, Plan)
    assert (plan.steps[-1].text, plan.steps[-1].status) == ("Look", "completed")


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ({"content": [], "structured_content": {"rows": 3}}, '{\n  "rows": 3\n}'),
        ({"content": None, "structured_content": "three"}, "three"),
        ({"content": {"type": "text", "text": "alone"}}, "alone"),
        ({"content": [{"type": "text", "text": "a"}, "b"]}, "a\nb"),
        ("plain", "plain"),
    ],
)
def test_what_an_mcp_server_answers_is_shown_in_any_form(result, shown):
    (told,) = item(type="mcp_tool_call", server="s", tool="t", result=result, status="completed")
    assert told == ToolResult("item_1", shown)


def test_resources_are_told_by_their_address_and_their_text():
    content = [
        {"type": "resource_link", "uri": "https://example.com/a", "name": "a", "description": "A"},
        {"type": "resource", "resource": {"uri": "file:///b.txt", "text": "embedded words"}},
        {"type": "resource", "resource": {"uri": "file:///c.bin", "blob": "AAAA"}},
    ]
    (told,) = item(type="mcp_tool_call", server="s", tool="t", result={"content": content})
    assert isinstance(told, ToolResult)
    assert told.links == (
        Link("https://example.com/a", "a"),
        Link("file:///b.txt"),
        Link("file:///c.bin"),
    )
    assert told.text == "A\nembedded words\n[resource]"


def test_a_failed_mcp_call_says_why_in_any_form():
    for error in ({"message": "no such tool"}, "no such tool"):
        (told,) = item(type="mcp_tool_call", server="s", tool="t", error=error)
        assert told == ToolResult("item_1", "no such tool", is_error=True)


BLOCKS = [
    {"type": "text", "text": "some words", "citations": None},
    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
    {"type": "tool_use", "id": "t1", "name": "Edit", "input": {"file_path": "a", "old_string": ""}},
    {"type": "tool_use", "id": "t2", "name": "AskUserQuestion", "input": {"questions": [{}]}},
    {"type": "tool_use", "id": "t3", "name": "TodoWrite", "input": {"todos": [{"content": "a"}]}},
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "ok"}]},
    {"type": "tool_result", "tool_use_id": "t2", "content": "ok", "is_error": True},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "s1",
        "content": [{"type": "web_search_result", "title": "T", "url": "https://example.com"}],
    },
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0"}},
    {"type": "document", "title": "d", "source": {"type": "text", "data": "words"}},
]
ODD = [None, True, 7, 0.5, "odd", [], ["odd"], {}, {"error": "odd"}, [{"type": "odd"}]]


@pytest.mark.parametrize("seed", range(300))
def test_whatever_a_block_holds_the_others_are_shown(seed):
    chance = random.Random(seed)  # noqa: S311 - the same blocks in every run
    block = deepcopy(chance.choice(BLOCKS))
    for _ in range(chance.randint(1, 3)):
        _spoil(block, chance)
    between(block)


def _spoil(value: dict[str, Any], chance: random.Random) -> None:
    """Take away or replace a field, here or further inside."""
    if not value:
        return
    key = chance.choice(sorted(value))
    inner = value[key]
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        inner = inner[0]
    if isinstance(inner, dict) and chance.random() < 0.5:
        _spoil(inner, chance)
    elif chance.random() < 0.3:
        del value[key]
    else:
        value[key] = deepcopy(chance.choice(ODD))
