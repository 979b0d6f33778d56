"""Codex's items that stand beside its messages, commands and changes."""

import json
from typing import Any

import pytest

from sessions_app.providers import PROVIDERS, display_message
from sessions_app.providers.shapes import (
    FileChange,
    Notice,
    Plan,
    PlanStep,
    Shape,
    Text,
    ToolResult,
    ToolUse,
)
from tests import recorded


def show(event: dict[str, Any]) -> list[Shape]:
    return display_message("codex-cli", "assistant", json.dumps(event), recorded.PROJECT)


@pytest.mark.parametrize(
    ("kind", "fields", "shown"),
    [
        (
            "imageView",
            {"path": f"{recorded.PROJECT}/a.png"},
            Notice("The agent looked at the picture a.png."),
        ),
        (
            "imageGeneration",
            {
                "status": "completed",
                "revisedPrompt": "A cat",
                "result": "aGk=",
                "savedPath": "c.png",
            },
            Notice("The agent made a picture: c.png", detail="A cat"),
        ),
        (
            "imageGeneration",
            {"status": "failed", "result": ""},
            Notice("The agent could not make a picture.", "warning"),
        ),
        ("contextCompaction", {}, Notice("The conversation was compacted.")),
        ("plan", {"text": "1. Look"}, Text("1. Look")),
        (
            "enteredReviewMode",
            {"review": "current changes"},
            Notice("A review began: current changes"),
        ),
        (
            "hookPrompt",
            {"fragments": [{"text": "Be brief.", "hookRunId": "h"}]},
            Notice("A hook added to the prompt.", detail="Be brief."),
        ),
    ],
)
def test_an_item_beside_the_conversation_is_told_once_and_in_words(kind, fields, shown):
    item = {"type": kind, "id": "i", **fields}
    assert show({"method": "item/started", "params": {"item": item}}) == []
    assert show({"method": "item/completed", "params": {"item": item}}) == [shown]


def test_a_review_ends_with_its_words():
    item = {"type": "exited_review_mode", "id": "i", "review": "All is well."}
    assert show({"type": "item.completed", "item": item}) == [
        Notice("The review has ended."),
        Text("All is well."),
    ]


@pytest.mark.parametrize("success", [True, False])
def test_a_tool_of_the_client_is_a_call(success):
    item = {"type": "dynamicToolCall", "id": "d", "tool": "look", "arguments": {"at": "x"}}
    assert show({"method": "item/started", "params": {"item": item}}) == [
        ToolUse("d", "look", "x", {"at": "x"})
    ]
    item |= {"contentItems": [{"type": "inputText", "text": "seen"}], "success": success}
    assert show({"method": "item/completed", "params": {"item": item}}) == [
        ToolResult("d", "seen", is_error=not success)
    ]


@pytest.mark.parametrize(
    "changes",
    [{"a.py": {"type": "add", "content": "x"}}, {"a.py": {"add": {"content": "x"}}}],
)
def test_changes_by_path_are_changes(changes):
    item = {"type": "file_change", "id": "f", "changes": changes}
    assert show({"type": "item.completed", "item": item}) == [FileChange("f", "a.py", "add")]


def test_helpers_in_a_list_are_told():
    states = [{"status": "completed", "message": "fine"}, {"status": "errored"}]
    item = {"type": "collab_tool_call", "id": "i", "tool": "wait", "agents_states": states}
    assert show({"type": "item.completed", "item": item}) == [
        ToolResult("i", "fine\nerrored", is_error=True)
    ]


def test_an_answer_in_its_wrapper_is_read():
    def answered(result: Any) -> list[Shape]:
        item = {"type": "mcp_tool_call", "id": "m", "result": result}
        return show({"type": "item.completed", "item": item})

    said = {"content": [{"type": "text", "text": "sunny"}]}
    assert answered({"Ok": said}) == [ToolResult("m", "sunny")]
    assert answered({"Err": "no server"}) == [ToolResult("m", "no server", is_error=True)]


def test_a_step_in_progress_is_told():
    step = {"text": "Look", "status": "in_progress"}
    event = {"type": "item.updated", "item": {"type": "todo_list", "id": "t", "items": [step]}}
    assert show(event) == [Plan("t", (PlanStep("Look", "in_progress"),))]
    plan = [{"step": "Look", "status": "inProgress"}]
    (shape,) = show({"method": "turn/plan/updated", "params": {"plan": plan}})
    assert isinstance(shape, Plan) and shape.steps[0].status == "in_progress"


def test_an_answer_of_zero_is_shown():
    item = {"type": "mcp_tool_call", "id": "m", "result": {"content": [], "structured_content": 0}}
    assert show({"type": "item.completed", "item": item}) == [ToolResult("m", "0")]


def test_items_of_early_versions_are_shown():
    words = {"id": "i", "item_type": "assistant_message", "text": "Done."}
    assert show({"type": "item.completed", "item": words}) == [Text("Done.")]
    command = {"id": "c", "item_type": "command_execution", "command": "ls"}
    assert show({"type": "item.started", "item": command}) == [
        ToolUse("c", "Bash", "ls", {"command": "ls"})
    ]
    assert PROVIDERS["codex-cli"].classify({"type": "item.completed", "item": command}) == "user"
