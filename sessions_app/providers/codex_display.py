"""What Codex's events show.

`mcp_tool_call` and `web_search` are read as the tool's source declares them; they were never
recorded.
"""

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sessions_app.providers import contents
from sessions_app.providers.reading import (
    Malformed,
    Show,
    arguments,
    first_line,
    first_text,
    objects,
    optional,
    pretty,
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
    Link,
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
LOST_AGENTS = {"errored", "failed", "interrupted", "not_found"}
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
    error = data.get("error")
    raw = string(error, "message") if isinstance(error, dict) else ""
    raw = raw or (pretty(error) if error else "The turn failed; Codex does not say why.")
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
    text = required(item, "text", str)
    return [Thinking(text)] if text.strip() else []


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
    changes: list[Shape] = [
        FileChange(
            tool_id=string(item, "id"),
            path=relative_path(string(change, "path"), project_path),
            kind=string(change, "kind") if change.get("kind") in CHANGE_KINDS else "update",
            status=status,
        )
        for change in objects(item, "changes")
        if string(change, "path")
    ]
    if not changes:
        raise Malformed("changes")
    return changes


def _todo_list(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    """The whole list each time: a later one takes the place of an earlier one."""
    steps = tuple(
        PlanStep(
            string(step, "text"),
            "completed" if optional(step, "completed", bool, False) else "pending",
        )
        for step in objects(item, "items")
    )
    return [Plan(string(item, "id"), steps)]


def _agent_call(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    prompt = optional(item, "prompt", str, "")
    if not has_ended:
        tool = required(item, "tool", str)
        return [_call(item, tool, first_line(prompt), {"prompt": prompt})]
    states = list(optional(item, "agents_states", dict, {}).values())
    told = "\n".join(filter(None, map(_agent_state, states)))
    return [_outcome(item, told, failed=any(map(_is_lost, states)))]


def _agent_state(state: Any) -> str:
    if not isinstance(state, dict):
        return pretty(state)
    status = string(state, "status").replace("_", " ")
    message = string(state, "message")
    if _is_lost(state):
        return ": ".join(filter(None, [status, message]))
    return message or status


def _is_lost(state: Any) -> bool:
    return isinstance(state, dict) and string(state, "status") in LOST_AGENTS


def _mcp_call(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    if not has_ended:
        named = filter(None, [string(item, "server"), required(item, "tool", str)])
        given = arguments(item.get("arguments"))
        return [_call(item, ": ".join(named), first_text(given), given)]
    error = item.get("error")
    if error:
        said = string(error, "message") if isinstance(error, dict) else ""
        return [_outcome(item, said or pretty(error), failed=True)]
    return [_returned(item, item.get("result"))]


def _returned(item: dict[str, Any], result: Any) -> ToolResult:
    """What an MCP server answered: blocks, or only a value by a schema."""
    held = result if isinstance(result, dict) else {"content": result}
    content = contents.read(held.get("content") or held.get("structured_content"))
    return replace(
        _outcome(item, content.text, failed=content.failed or held.get("is_error") is True),
        links=tuple(content.links),
        images=tuple(content.images),
    )


def _web_search(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    """What is searched for is told at the end alone: the call is told again then."""
    action: dict[str, Any] = optional(item, "action", dict, {})
    call = _call(item, "WebSearch", _sought(item, action), {})
    if not has_ended:
        return [call]
    links = tuple(Link(url) for url in [string(action, "url")] if url)
    text = "" if links else f"Searched for: {call.summary}"
    return [call, replace(_outcome(item, text), links=links)]


def _sought(item: dict[str, Any], action: dict[str, Any]) -> str:
    query, url = string(item, "query"), string(action, "url")
    match type_of(action):
        case "open_page" | "openPage":
            return f"open {url or query}"
        case "find_in_page" | "findInPage":
            return f"find “{string(action, 'pattern')}” in {url or query}"
    several: list[Any] = optional(action, "queries", list, [])
    queries = dict.fromkeys([query, string(action, "query"), *filter(_is_text, several)])
    return "; ".join(filter(None, queries))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _call(item: dict[str, Any], tool: str, summary: str, given: dict[str, Any]) -> ToolUse:
    return ToolUse(string(item, "id"), tool, summary, given)


def _outcome(
    item: dict[str, Any], text: str, *, exit_code: int | None = None, failed: bool = False
) -> ToolResult:
    status = string(item, "status")
    return ToolResult(
        tool_id=string(item, "id"),
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
