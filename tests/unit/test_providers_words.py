"""What tools tell beside the conversation, in words: searches, tags, compaction, helpers."""

import json
from typing import Any

import pytest

from sessions_app.providers import PROVIDERS, display_message
from sessions_app.providers.shapes import (
    DiffLine,
    Error,
    FileChange,
    Image,
    Link,
    Notice,
    Plan,
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

CLAUDE, CODEX = "claude-code", "codex-cli"


def show(provider: str, event: dict[str, Any]) -> list[Shape]:
    return display_message(provider, "assistant", json.dumps(event), recorded.PROJECT)


def said(text: str, **more: Any) -> list[Shape]:
    """What a text shows that stands in the place of a person's words."""
    return show(CLAUDE, {"type": "user", "message": {"content": text}, **more})


def system(subtype: str, **fields: Any) -> list[Shape]:
    return show(CLAUDE, {"type": "system", "subtype": subtype, **fields})


def server(method: str, **params: Any) -> list[Shape]:
    return show(CODEX, {"method": method, "params": params})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<local-command-stdout>Set model\nto x</local-command-stdout>", "Set model\nto x"),
        ("<local-command-stderr>No such model</local-command-stderr>", "No such model"),
        ("<bash-stdout>a</bash-stdout><bash-stderr>b</bash-stderr>", "a\nb"),
        ("<bash-input>make</bash-input>", "Shell command: make"),
        (
            "<command-name>/model</command-name>\n<command-args>x</command-args>",
            "Command: /model x",
        ),
    ],
)
def test_what_a_local_command_said_is_told_by_the_tool(text, shown):
    assert said(text) == [Notice(shown)]


@pytest.mark.parametrize("status", ["failed", "killed"])
def test_a_task_that_failed_is_a_warning(status):
    told = f"<status>{status}</status>\n<summary>Audit ended</summary>"
    (notice,) = said(f"<task-notification>\n{told}\n</task-notification>")
    assert notice == Notice("Audit ended", "warning", detail=told)
    (other,) = system("task_notification", status=status, summary="Audit")
    assert other == Notice(f"Task {status}: Audit", "warning")
    (updated,) = system("task_updated", task_id="t", patch={"status": status, "error": "why"})
    assert updated == Notice(f"Task t is {status}.", "warning", detail="why")


@pytest.mark.parametrize("text", ["<div>Center this</div>", "a <task-notification>", "<b>now</b>"])
def test_a_persons_words_stay_a_prompt(text):
    assert said(text) == [Prompt(text)]


def test_a_flood_of_tags_takes_no_time_to_read():
    flood = "<task-notification>" * 20_000
    assert said(flood)


def test_what_the_tool_added_is_no_prompt():
    assert said("Caveat: …", isMeta=True) == [
        Notice("The command-line tool added this.", detail="Caveat: …")
    ]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            {"trigger": "auto", "pre_tokens": 153_012, "post_tokens": 2_900},
            "auto, 153k to 3k tokens",
        ),
        ({"trigger": "manual", "preTokens": 900}, "manual, 900 tokens before"),
        ({"trigger": "auto"}, "auto"),
    ],
)
def test_a_compaction_tells_why_and_how_far(told, shown):
    assert system("compact_boundary", compact_metadata=told) == [Notice(f"Compacted: {shown}")]
    assert system("compact_boundary", compactMetadata=told) == [Notice(f"Compacted: {shown}")]


def test_a_compaction_that_failed_is_a_warning():
    assert system("status", status=None, compact_result="failed", compact_error="Too long.") == [
        Notice("Compaction failed: Too long.", "warning")
    ]


def test_an_event_that_came_after_us_is_told_by_its_words_or_its_name():
    (notice,) = system("memory_recall", summary="Two notes")
    assert isinstance(notice, Notice) and notice.text == "Two notes"
    (notice,) = system("plugin_install")
    assert isinstance(notice, Notice) and notice.text == "Plugin install"


def test_a_web_search_tells_titles_and_addresses_and_no_json():
    hits = [{"title": "A", "url": "https://example.com/a"}, {"title": "B", "url": "file:///b"}]
    text = f"Web search results:\n\nLinks: {json.dumps(hits)}\n\nIt rains."
    block = {"type": "tool_result", "tool_use_id": "t", "content": text}
    told = {"query": "rain", "results": [{"tool_use_id": "s", "content": hits}, "It rains."]}
    (result,) = show(
        CLAUDE, {"type": "user", "message": {"content": [block]}, "tool_use_result": told}
    )
    links = (Link("https://example.com/a", "A"), Link("file:///b", "B"))
    assert result == ToolResult("t", "It rains.", links=links)


def test_an_mcp_answer_by_a_schema_alone_is_shown():
    block = {"type": "tool_result", "tool_use_id": "t", "content": []}
    told = {"structuredContent": {"rows": 3}}
    (result,) = show(
        CLAUDE, {"type": "user", "message": {"content": [block]}, "tool_use_result": told}
    )
    assert isinstance(result, ToolResult) and json.loads(result.text) == {"rows": 3}


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ({"status": "errored", "message": "no room"}, "errored: no room"),
        ({"status": "notFound", "message": None}, "not found"),
        ({"errored": "no room"}, "errored: no room"),
        ({"status": {"errored": "no room"}}, "errored: no room"),
        ("interrupted", "interrupted"),
    ],
)
def test_a_helper_that_failed_is_marked_in_whatever_form_it_is_told(state, shown):
    states = {"a": {"status": "completed", "message": "fine"}, "b": state}
    item = {"id": "i", "type": "collab_tool_call", "tool": "wait", "agents_states": states}
    (result,) = show(CODEX, {"type": "item.completed", "item": item})
    assert result == ToolResult("i", f"fine\n{shown}", is_error=True)


def test_a_servers_answer_in_json_cannot_break_a_page():
    body = '{"error": {"message": "bad \\ud800 text"}}'
    (error,) = show(CODEX, {"type": "turn.failed", "error": {"message": body}})
    assert isinstance(error, Error)
    assert error.text.encode() == "bad \ufffd text".encode()


def test_the_app_servers_items_are_shown_as_those_of_exec():
    command = {"type": "commandExecution", "id": "c", "command": "/bin/bash -lc 'make'"}
    assert server("item/started", item={**command, "status": "inProgress"}) == [
        ToolUse("c", "Bash", "make", {"command": "make"})
    ]
    ended = {**command, "status": "failed", "exitCode": 2, "aggregatedOutput": "no"}
    assert server("item/completed", item=ended) == [
        ToolResult("c", "no", is_error=True, exit_code=2)
    ]
    words = {"type": "agentMessage", "id": "m", "text": "Done."}
    assert server("item/completed", item=words) == [Text("Done.")]
    thought = {"type": "reasoning", "id": "r", "summary": ["Hm."], "content": []}
    assert server("item/completed", item=thought) == [Thinking("Hm.")]
    (plan,) = server("turn/plan/updated", plan=[{"step": "Look", "status": "completed"}])
    assert isinstance(plan, Plan)


CHANGED = [
    ({"type": "add"}, "x\n", [DiffLine("add", None, 1, "x")], "a.py"),
    ({"type": "delete"}, "x\n", [DiffLine("remove", 1, None, "x")], "a.py"),
    (
        {"type": "update", "move_path": f"{recorded.PROJECT}/b.py"},
        "@@ -3,2 +3,2 @@\n a\n-b\n+c\n",
        [
            DiffLine("context", 3, 3, "a"),
            DiffLine("remove", 4, None, "b"),
            DiffLine("add", None, 4, "c"),
        ],
        "a.py → b.py",
    ),
]


@pytest.mark.parametrize(("kind", "diff", "lines", "path"), CHANGED)
def test_the_app_server_tells_what_a_patch_changes(kind, diff, lines, path):
    change = {"path": f"{recorded.PROJECT}/a.py", "kind": kind, "diff": diff}
    item = {"type": "fileChange", "id": "f", "changes": [change], "status": "declined"}
    assert server("item/completed", item=item) == [
        FileChange("f", path, kind["type"], tuple(lines), status="declined")
    ]


def test_the_app_servers_turns_end_as_those_of_exec():
    assert server("turn/completed", turn={"status": "completed"}) == [Result("")]
    failed = {"status": "failed", "error": {"message": "no"}}
    assert server("turn/completed", turn=failed) == [Error("no")]
    (notice,) = server("turn/completed", turn={"status": "interrupted"})
    assert isinstance(notice, Notice) and "interrupted" in notice.text


SHOWN_OF_HISTORY: list[tuple[dict[str, Any], Shape]] = [
    (
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go"}]},
        Prompt("Go"),
    ),
    (
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "OK"}],
        },
        Text("OK"),
    ),
    (
        {"type": "function_call", "name": "run", "call_id": "c", "arguments": '{"cmd": "ls"}'},
        ToolUse("c", "run", "ls", {"cmd": "ls"}),
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": "a.txt"},
        ToolResult("c", "a.txt"),
    ),
]


@pytest.mark.parametrize(("item", "shape"), SHOWN_OF_HISTORY)
def test_codexs_own_record_tells_what_was_said(item, shape):
    assert show(CODEX, {"type": "response_item", "payload": item}) == [shape]


def test_a_picture_in_a_prompt_is_told_with_its_type_and_size():
    png = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAAElFTkSuQmCC"
    url = f"data:image/png;base64,{png}"
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_image", "image_url": url}],
    }
    *_, image = show(CODEX, {"type": "response_item", "payload": item})
    assert isinstance(image, Image)
    assert (image.media_type, image.size) == ("image/png", 45)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_signs_of_life_show_nothing(provider):
    quiet = [{"type": "keep_alive"}, {"type": "tool_progress", "elapsed_time_seconds": 30}]
    quiet += [{"type": "system", "subtype": "session_state_changed", "state": "idle"}]
    quiet_of_codex = [{"method": "thread/status/changed"}, {"id": 3, "result": {}}]
    for event in quiet if provider == CLAUDE else quiet_of_codex:
        assert show(provider, event) == []
        assert not any(isinstance(shape, Unknown) for shape in show(provider, event))


def test_what_the_tool_says_in_the_place_of_the_model_or_a_person_is_its_own():
    output = "<local-command-stdout>2 tokens</local-command-stdout>"
    message = {"model": "<synthetic>", "content": [{"type": "text", "text": output}]}
    assert show(CLAUDE, {"type": "assistant", "message": message}) == [Notice("2 tokens")]
    assert system("local_command", content=output) == [Notice("2 tokens")]
    (notice,) = said("The audit has ended.", origin={"kind": "task-notification"})
    assert isinstance(notice, Notice) and notice.detail == "The audit has ended."
    assert said("Go on.", origin={"kind": "human"}) == [Prompt("Go on.")]


@pytest.mark.parametrize("told", [{"status": "failed"}, {"task": {"status": "killed"}}])
def test_a_call_whose_helper_failed_is_marked(told):
    block = {"type": "tool_result", "tool_use_id": "t", "content": "The helper ended."}
    event = {"type": "user", "message": {"content": [block]}, "tool_use_result": told}
    assert show(CLAUDE, event) == [ToolResult("t", "The helper ended.", is_error=True)]


@pytest.mark.parametrize("reason", ["aborted_tools", "tool_deferred"])
def test_a_turn_that_ended_early_without_an_error_says_so(reason):
    event = {"type": "result", "subtype": "success", "is_error": False, "terminal_reason": reason}
    (notice, end) = show(CLAUDE, event)
    assert isinstance(notice, Notice) and notice.level == "warning"
    assert isinstance(end, Result)


def test_a_call_in_odd_types_is_joined_to_its_result():
    call = {"type": "tool_use", "id": 7, "name": "Bash", "input": '{"command": "ls"}'}
    assert show(CLAUDE, {"type": "assistant", "message": {"content": [call]}}) == [
        ToolUse("7", "Bash", "ls", {"command": "ls"})
    ]
    block = {"type": "tool_result", "tool_use_id": 7, "content": "a.txt"}
    assert show(CLAUDE, {"type": "user", "message": {"content": [block]}}) == [
        ToolResult("7", "a.txt")
    ]


def test_a_limit_tells_its_end_as_a_date():
    info = {"status": "rejected", "resetsAt": "2026-11-28T16:00:00Z"}
    (notice,) = show(CLAUDE, {"type": "rate_limit_event", "rate_limit_info": info})
    assert isinstance(notice, Notice)
    assert notice.text == "The usage limit is reached; it resets at 2026-11-28T16:00:00Z."


def test_a_hit_without_title_and_address_leaves_no_empty_line():
    hits = [{"type": "web_search_result"}, {"type": "web_search_result", "url": "https://a.org"}]
    block = {"type": "tool_result", "tool_use_id": "t", "content": hits}
    (result,) = show(CLAUDE, {"type": "user", "message": {"content": [block]}})
    assert isinstance(result, ToolResult) and result.links == (Link("https://a.org"),)
