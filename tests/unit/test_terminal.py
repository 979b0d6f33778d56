"""What a terminal is sent: readable, and unable to obey anything that an agent wrote."""

import os
import pty
from io import BytesIO, StringIO, TextIOWrapper
from unicodedata import category

import pytest
from django.core.management.base import OutputWrapper
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.display.naming import Calls
from sessions_app.display.terminal import put, render, safe, wants_colour
from sessions_app.providers import display_message
from sessions_app.providers.shapes import (
    DiffLine,
    Error,
    FileChange,
    Image,
    Link,
    Notice,
    Plan,
    PlanStep,
    Prompt,
    Result,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Unknown,
)
from tests import recorded

HOSTILE = "a\x1b]52;c;ZXZpbA==\x07b\r\x9b31mc\x00\x7f\u202egpj.exe\u2028\ud800"
VISIBLE = (
    "a<U+001B>]52;c;ZXZpbA==<U+0007>b<U+000D><U+009B>31mc<U+0000><U+007F><U+202E>gpj.exe"
    "<U+2028><U+D800>"
)


def every_shape(text: str) -> list:
    line = DiffLine("add", None, 1, text)
    return [
        Prompt(text),
        Text(text),
        Thinking(text),
        ToolUse(text, text, text, {text: text}, text, text),
        Image(claimed=text, size=1),
        Image(url=text),
        ToolResult(text, text, is_error=True, exit_code=1),
        ToolResult("t", "", links=(Link(text, text),)),
        FileChange(text, text, text, (line,), text),
        Plan(text, (PlanStep(text, text),)),
        Notice(text, "warning", text),
        Result(text, denials=(text,)),
        Error(text, text),
        Unknown(text, text),
    ]


def obeyed(output: str) -> list[str]:
    """The characters that a terminal would act on: controls, and formats that turn text around."""
    return [c for c in output if c not in "\n\t" and category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@pytest.mark.parametrize("shape", every_shape(HOSTILE), ids=lambda shape: type(shape).__name__)
def test_every_field_of_a_shape_is_shown_and_not_obeyed(shape):
    output = render([shape], colour=False)
    assert VISIBLE in output
    assert obeyed(output) == []


@given(st.text())
def test_no_text_reaches_the_terminal_unescaped(text):
    assert obeyed(render(every_shape(text), colour=False)) == []


@pytest.mark.parametrize("case", recorded.CASES)
def test_recorded_runs_print_without_control_characters(case):
    provider = recorded.provider_of(case)
    for line in recorded.lines(case):
        shapes = display_message(provider, "assistant", line, recorded.PROJECT)
        assert obeyed(render(shapes, colour=False)) == []


def test_colours_are_ours_and_end_with_each_line():
    (line,) = render([Notice("careful\x1b[0m", "warning")], colour=True).splitlines()
    assert line == "\x1b[33m- careful<U+001B>[0m\x1b[0m"


def test_an_agent_cannot_imitate_a_prompt():
    output = render([Text("done\n> now delete everything"), Prompt("thanks")], colour=False)
    assert [line for line in output.split("\n") if line.startswith(">")] == ["> thanks"]


def test_a_change_is_printed_with_its_line_numbers():
    lines = (
        DiffLine("context", 9, 9, "same"),
        DiffLine("remove", 10, None, "old"),
        DiffLine("add", None, 10, "new"),
    )
    change = FileChange("t", "src/a.py", "update", lines)
    assert render([change], colour=False) == (
        "  update src/a.py +1 -1\n      9   same\n     10 - old\n     10 + new\n\n"
    )


def test_long_output_is_cut_and_counted():
    output = render([ToolResult("t", "\n".join(map(str, range(500))))], colour=False)
    assert "... 480 more lines" in output
    assert len(output.split("\n")) < 30


def test_a_long_name_does_not_multiply_with_the_lines_below_it():
    call = ToolUse("t", "n" * 100_000, "\n" * 1000, {})
    assert len(render([call], colour=False)) < 200_000


def test_the_end_of_a_turn_tells_what_it_took():
    end = Result("", tokens=12345, cost_usd=0.0263712, duration_ms=2340, turns=1)
    assert render([end], colour=False).startswith("= 1 turn, 12,345 tokens, $0.0264, 2.3 s\n")


def test_what_an_encoding_lacks_is_written_as_an_escape():
    stream = TextIOWrapper(buffer := BytesIO(), encoding="ascii")
    put(OutputWrapper(stream), "ünï 你\n")
    stream.flush()
    assert buffer.getvalue() == rb"\xfcn\xef \u4f60" + b"\n"


def test_safe_text_is_one_line():
    assert safe("a\nb\x1b[2J") == "a<U+000A>b<U+001B>[2J"


@pytest.fixture
def terminal():
    primary, secondary = pty.openpty()
    with os.fdopen(secondary, "w") as stream:
        yield OutputWrapper(stream)
    os.close(primary)


def test_colour_is_for_terminals_that_want_it(terminal, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_colour(terminal)
    assert not wants_colour(OutputWrapper(StringIO()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(terminal)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colour(terminal)


def told(*shapes) -> str:
    return render(Calls().named(shapes), colour=False)


def test_a_result_right_below_its_call_needs_no_name():
    assert told(ToolUse("a", "Bash", "ls", {}), Notice("Running."), ToolResult("a", "x")) == (
        "* Bash ls\n- Running.\n  x\n\n"
    )


def test_a_result_further_down_names_its_call_in_one_line():
    call = ToolUse("a", "Bash", "make \\\n  all", {}, parent_tool_id="p")
    shown = told(call, Text("Meanwhile."), ToolResult("a", "done", parent_tool_id="p"))
    assert shown.endswith("  | < Bash make \\\n  |   done\n\n")


def test_results_without_an_id_are_given_to_no_call():
    calls = ToolUse("", "Bash", "ls", {}), ToolUse("b", "Bash", "make", {})
    assert "<" not in told(*calls, ToolResult("", "x"))
