"""What Codex's events show.

`mcp_tool_call` and `web_search` are read as the tool's source declares them; they were never
recorded.
"""

import json
import shlex
from collections.abc import Callable
from typing import Any

from sessions_app.providers.reading import (
    Malformed,
    Show,
    first_line,
    objects,
    optional,
    relative_path,
    required,
    string,
    type_of,
    unknown,
    whole,
)
from sessions_app.providers.shapes import (
    Error,
    FileChange,
    Notice,
    Plan,
    PlanStep,
    Result,
    Shape,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)

CHANGE_KINDS = {"add", "delete", "update"}
FAILED = {"failed", "declined"}
SPLIT_LIMIT = 20_000
"""Characters of the longest command that is split into words: it takes time."""


def _thread_started(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Notice(f"Codex is working in the thread {required(data, 'thread_id', str)}.")]


def _turn_started(data: dict[str, Any], project_path: str) -> list[Shape]:
    """It carries nothing but its type."""
    return []


def _turn_completed(data: dict[str, Any], project_path: str) -> list[Shape]:
    """Without tokens: the event has the whole thread's, the message's count has this turn's."""
    return [Result("")]


def _turn_failed(data: dict[str, Any], project_path: str) -> list[Shape]:
    error: dict[str, Any] = required(data, "error", dict)
    raw = required(error, "message", str)
    said = _server_message(raw)
    return [Error(said, detail="" if said == raw else raw)]


def _error(data: dict[str, Any], project_path: str) -> list[Shape]:
    """A retry, or the text that `turn.failed` will repeat: not an error by itself."""
    return [Notice(_server_message(required(data, "message", str)), level="warning")]


def _server_message(raw: str) -> str:
    """The sentence in a server's JSON answer, which Codex passes on as it came."""
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    error = answer.get("error") if isinstance(answer, dict) else None
    return (string(error, "message") if isinstance(error, dict) else "") or raw


def _item(data: dict[str, Any], project_path: str) -> list[Shape]:
    item: dict[str, Any] = required(data, "item", dict)
    kind = type_of(item)
    if kind not in ITEMS:
        return [unknown(data, f"{type_of(data)}/{kind}")]
    has_ended = type_of(data) == "item.completed"
    return ITEMS[kind](item, has_ended, project_path)


def _message(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    return [Text(required(item, "text", str))]


def _reasoning(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    return [Thinking(required(item, "text", str))]


def _warning(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    return [Notice(required(item, "message", str), level="warning")]


def _command(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    """Called Bash, as Claude Code calls it, so that commands look alike everywhere."""
    command = _without_shell(required(item, "command", str))
    if not has_ended:
        return [_call(item, "Bash", command, {"command": command})]
    exit_code = whole(item, "exit_code")
    output = optional(item, "aggregated_output", str, "")
    return [_outcome(item, output, exit_code=exit_code, failed=bool(exit_code))]


def _without_shell(command: str) -> str:
    """`/bin/bash -lc 'make'` -> `make`."""
    if len(command) > SPLIT_LIMIT:
        return command
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return words[2] if len(words) == 3 and words[1] in ("-c", "-lc") else command


def _file_change(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    status = string(item, "status") or ("completed" if has_ended else "in_progress")
    return [
        FileChange(
            tool_id=required(item, "id", str),
            path=relative_path(required(change, "path", str), project_path),
            kind=_change_kind(change),
            status=status,
        )
        for change in objects(item, "changes")
    ]


def _change_kind(change: dict[str, Any]) -> str:
    kind = required(change, "kind", str)
    if kind not in CHANGE_KINDS:
        raise Malformed("kind")
    return kind


def _todo_list(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    """The whole list each time: a later one takes the place of an earlier one."""
    steps = tuple(
        PlanStep(
            required(step, "text", str),
            "completed" if optional(step, "completed", bool, False) else "pending",
        )
        for step in objects(item, "items")
    )
    return [Plan(required(item, "id", str), steps)]


def _agent_call(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    prompt = optional(item, "prompt", str, "")
    if not has_ended:
        tool = required(item, "tool", str)
        return [_call(item, tool, first_line(prompt), {"prompt": prompt})]
    states: dict[str, Any] = optional(item, "agents_states", dict, {})
    return [_outcome(item, "\n".join(filter(None, map(_agent_state, states.values()))))]


def _agent_state(state: Any) -> str:
    if not isinstance(state, dict):
        raise Malformed("agents_states")
    return optional(state, "message", str, "") or string(state, "status").replace("_", " ")


def _mcp_call(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    if not has_ended:
        tool = f"{required(item, 'server', str)}: {required(item, 'tool', str)}"
        arguments: dict[str, Any] = optional(item, "arguments", dict, {})
        texts = (value for value in arguments.values() if isinstance(value, str))
        return [_call(item, tool, next(texts, ""), arguments)]
    error: dict[str, Any] = optional(item, "error", dict, {})
    result: dict[str, Any] = optional(item, "result", dict, {})
    blocks = objects(result, "content")
    text = "\n".join(string(block, "text") or f"[{type_of(block)}]" for block in blocks)
    return [_outcome(item, string(error, "message") or text, failed=bool(error))]


def _web_search(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    query = required(item, "query", str)
    if not has_ended:
        return [_call(item, "WebSearch", query, {"query": query})]
    return [_outcome(item, f"Searched for: {query}")]


def _call(item: dict[str, Any], tool: str, summary: str, arguments: dict[str, Any]) -> ToolUse:
    return ToolUse(required(item, "id", str), tool, summary, arguments)


def _outcome(
    item: dict[str, Any], text: str, *, exit_code: int | None = None, failed: bool = False
) -> ToolResult:
    status = string(item, "status")
    return ToolResult(
        tool_id=required(item, "id", str),
        text=text or ("Declined." if status == "declined" else ""),
        is_error=failed or status in FAILED,
        exit_code=exit_code,
    )


ITEMS: dict[str, Callable[[dict[str, Any], bool, str], list[Shape]]] = {
    "agent_message": _message,
    "collab_tool_call": _agent_call,
    "command_execution": _command,
    "error": _warning,
    "file_change": _file_change,
    "mcp_tool_call": _mcp_call,
    "reasoning": _reasoning,
    "todo_list": _todo_list,
    "web_search": _web_search,
}

EVENTS: dict[str, Show] = {
    "error": _error,
    "item.completed": _item,
    "item.started": _item,
    "item.updated": _item,
    "thread.started": _thread_started,
    "turn.completed": _turn_completed,
    "turn.failed": _turn_failed,
    "turn.started": _turn_started,
}
