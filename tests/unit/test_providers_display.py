"""What recorded events show."""

from collections.abc import Iterator
from typing import Any

import pytest

from sessions_app.providers import PROVIDERS, display_message
from sessions_app.providers.shapes import (
    Error,
    FileChange,
    Notice,
    Plan,
    PlanStep,
    Prompt,
    Result,
    Shape,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Unknown,
)
from tests import recorded

WITHOUT_CONTENT = {"stream_event", "turn.started", "thinking_tokens"}


def shown(case: str) -> list[Shape]:
    provider = recorded.provider_of(case)
    return [shape for line in recorded.lines(case) for shape in show(provider, line)]


def show(provider: str, line: str, message_type: str = "assistant") -> list[Shape]:
    return display_message(provider, message_type, line, recorded.PROJECT)


def of_type(kind: Any, shapes: list[Shape]) -> list[Any]:
    return [shape for shape in shapes if isinstance(shape, kind)]


@pytest.mark.parametrize("case", recorded.CASES)
def test_nothing_recorded_is_unknown(case):
    assert of_type(Unknown, shown(case)) == []


@pytest.mark.parametrize("case", recorded.CASES)
def test_only_events_without_content_show_nothing(case):
    provider = recorded.provider_of(case)
    silent = {
        event.get("subtype") or event["type"]
        for event, line in zip(recorded.events(case), recorded.lines(case), strict=True)
        if not show(provider, line)
    }
    assert silent <= WITHOUT_CONTENT


@pytest.mark.parametrize("case", recorded.CASES)
def test_every_call_has_its_result_joined_by_id(case):
    shapes = shown(case)
    answers = {shape.tool_id for shape in of_type(ToolResult | FileChange, shapes)}
    answered = {shape.tool_id for shape in of_type(ToolUse, shapes)} & answers
    results = {shape.tool_id for shape in of_type(ToolResult, shapes)}
    assert results <= answered


def test_a_command_shows_its_line_description_and_exit_code():
    assert shown("claude/bashfail")[1:3] == [
        ToolUse(
            "toolu_mock000033_0",
            "Bash",
            "echo to-stdout; echo to-stderr >&2; exit 3",
            {
                "command": "echo to-stdout; echo to-stderr >&2; exit 3",
                "description": "run it",
            },
            description="run it",
        ),
        ToolResult("toolu_mock000033_0", "to-stdout\nto-stderr", is_error=True, exit_code=3),
    ]


def test_a_codex_command_runs_until_its_result_comes():
    call, result = of_type(ToolUse | ToolResult, shown("codex/codemode_bashfail"))
    assert (call.name, call.summary) == ("Bash", "echo to-stdout; echo to-stderr >&2; exit 3")
    assert result == ToolResult(call.tool_id, "to-stdout\nto-stderr\n", is_error=True, exit_code=3)


def test_an_edit_shows_real_line_numbers_once_it_is_made():
    intended, made = of_type(FileChange, shown("claude/acceptedits_only_edit"))[2:]
    assert (intended.status, made.status) == ("in_progress", "completed")
    assert made.tool_id == intended.tool_id
    assert (made.path, made.kind, made.added, made.removed) == ("new.txt", "update", 1, 1)
    assert [(line.kind, line.old_number, line.new_number, line.text) for line in made.lines] == [
        ("context", 1, 1, "line1"),
        ("remove", 2, None, "line2"),
        ("add", None, 2, "LINE-TWO"),
    ]


def test_a_written_file_is_all_added():
    _, made = of_type(FileChange, shown("claude/acceptedits_only_edit"))[:2]
    assert (made.kind, [line.text for line in made.lines]) == ("add", ["line1", "line2"])


def test_a_refused_edit_stays_what_was_asked_for():
    shapes = shown("claude/denied_edit_default")
    assert {change.status for change in of_type(FileChange, shapes)} == {"in_progress"}
    assert all(result.is_error for result in of_type(ToolResult, shapes))


def test_codex_changes_name_files_relative_to_the_project():
    changes = of_type(FileChange, shown("codex/edit"))
    assert [(change.path, change.kind, change.status) for change in changes] == [
        ("new.txt", "add", "in_progress"),
        ("new.txt", "add", "completed"),
        ("new.txt", "update", "in_progress"),
        ("new.txt", "update", "completed"),
    ]


def test_a_denial_is_named_where_it_happens_and_at_the_end():
    shapes = shown("claude/denied_bash_default")
    (end,) = of_type(Result, shapes)
    assert end.denials == ("Bash(echo hello > out.txt && echo done-marker)",)
    assert Notice("Bash was denied.", "warning", detail=DENIAL) in shapes


DENIAL = (
    "Output redirection to '/home/dev/project/out.txt' needs approval. The path is inside the "
    "working directories for this session ('/home/dev/project'), and Claude Code asks before a "
    "shell command creates, changes or removes files there."
)


def test_a_result_tells_tokens_cost_time_and_turns():
    (end,) = of_type(Result, shown("claude/agent_bgdisabled"))
    assert (end.text, end.tokens, end.turns) == ("The sub-agent has reported.", 48755, 2)
    assert end.cost_usd == pytest.approx(0.0526868)
    assert end.duration_ms > 0


def test_a_sub_agent_is_joined_to_the_call_that_started_it():
    shapes = shown("claude/agent_bgdisabled")
    (agent,) = (call for call in of_type(ToolUse, shapes) if call.name == "Agent")
    (command,) = (call for call in of_type(ToolUse, shapes) if call.name == "Bash")
    assert agent.parent_tool_id is None
    assert command.parent_tool_id == agent.tool_id


def test_a_waiting_retry_says_what_happened_and_when_it_goes_on():
    line = (
        '{"type":"system","subtype":"api_retry","attempt":3,"max_retries":10,'
        '"retry_delay_ms":8123.4,"error_status":529,"error":"overloaded"}'
    )
    assert show("claude-code", line) == [
        Notice("The API answered 529: attempt 3 of 10, next in 8 s", "warning", "overloaded")
    ]


@pytest.mark.parametrize("case", ["claude/http500_retries1", "claude-2.1.197/http400"])
def test_a_refusing_api_is_one_error_with_its_words(case):
    shapes = shown(case)
    (error,) = of_type(Error, shapes)
    assert error.text.startswith("API Error: ")
    assert isinstance(shapes[shapes.index(error) + 1], Result)


@pytest.mark.parametrize("case", ["claude/sigint_group_sleepnested", "claude-2.1.197/sigint_slow"])
def test_an_interruption_is_told_in_plain_words(case):
    assert Error("The agent was interrupted.") in [
        Error(error.text) for error in of_type(Error, shown(case))
    ]


def test_codex_passes_on_the_sentence_of_the_server():
    (error,) = of_type(Error, shown("codex/http400"))
    assert error.text == "Mock: bad request of some kind"
    assert '"invalid_request_error"' in error.detail


def test_codex_retries_are_warnings_and_not_errors():
    shapes = shown("codex/cutstream")
    assert len(of_type(Error, shapes)) == 1
    assert sum(notice.text.startswith("Reconnecting") for notice in warnings_in(shapes)) == 5


def warnings_in(shapes: list[Shape]) -> Iterator[Notice]:
    return (notice for notice in of_type(Notice, shapes) if notice.level == "warning")


def test_a_plan_shows_what_is_done():
    plans = of_type(Plan, shown("codex/todo"))
    assert plans[0].steps[0] == PlanStep("Look", "pending")
    assert plans[-1].steps[0] == PlanStep("Look", "completed")
    assert {plan.tool_id for plan in plans} == {"item_0"}


def test_thinking_and_words_come_in_order():
    shapes = of_type(Thinking | Text, shown("claude-2.1.197/multi"))
    assert shapes == [
        Thinking("Let me think about it."),
        Text("First text."),
        Thinking("Second thought."),
        Text("Part A."),
        Text("Part B."),
    ]


def test_a_prompt_of_the_original_pokecode_is_a_prompt():
    line = (
        '{"kind":"pokecode_user_message","id":"ndzb4hk083","timestamp":"2026-11-23T00:26:46Z",'
        '"role":"user","content":"plain \\u00fcn\\u00efcode"}'
    )
    assert show("codex-cli", line, "user") == [Prompt("plain ünïcode")]


@pytest.mark.parametrize(
    ("message_type", "case"),
    [
        ("assistant", "claude/text"),
        ("result", "claude/text"),
        ("error", "claude/http400"),
        ("error", "claude-2.1.197/http400"),
        ("user", "claude/bash"),
        ("error", "claude/maxturns"),
        ("assistant", "codex/bash"),
        ("user", "codex/bash"),
        ("result", "codex/bash"),
        ("error", "codex/http400"),
    ],
)
def test_events_are_classified(message_type, case):
    provider = PROVIDERS[recorded.provider_of(case)]
    assert message_type in {provider.classify(event) for event in recorded.events(case)}


@pytest.mark.parametrize("case", ["codex/cutstream", "codex/agent_fallback_model"])
def test_a_codex_warning_is_a_system_message(case):
    for event in recorded.events(case):
        if event["type"] == "error" or event.get("item", {}).get("type") == "error":
            assert PROVIDERS["codex-cli"].classify(event) == "system"


def test_a_start_without_a_version_reads_as_a_sentence():
    line = '{"type": "system", "subtype": "init", "model": "demo"}'
    assert show("claude-code", line) == [Notice("Claude Code started with the model demo.")]
