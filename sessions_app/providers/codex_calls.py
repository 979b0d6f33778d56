"""The calls among Codex's items: commands, changes of files, helpers, MCP and web searches.

`mcp_tool_call` and `web_search` are read as the tool's source declares them; they were never
recorded.
"""

import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sessions_app.providers import contents, diffs
from sessions_app.providers.codex_requests import without_shell
from sessions_app.providers.reading import (
    Malformed,
    arguments,
    first_line,
    first_text,
    objects,
    optional,
    pretty,
    relative_path,
    required,
    snake,
    string,
    type_of,
    whole,
)
from sessions_app.providers.shapes import DiffLine, FileChange, Link, Shape, ToolResult, ToolUse

ShowItem = Callable[[dict[str, Any], bool, str], list[Shape]]
"""Shows one item; takes it, whether it has ended, and the project's path."""

CHANGE_KINDS = {"add", "delete", "update"}
FAILED = {"failed", "declined"}
LOST_AGENTS = {"errored", "failed", "interrupted", "not_found"}


def kind_of(item: dict[str, Any]) -> str:
    """An item's type, which early versions called `item_type`."""
    return type_of(item) or string(item, "item_type")


def _command(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    """Called Bash, as Claude Code calls it, so that commands look alike everywhere."""
    if not has_ended:
        command = without_shell(_told_command(item))
        return [_call(item, "Bash", command, {"command": command})]
    exit_code = whole(item, "exit_code")
    output = optional(item, "aggregated_output", str, "")
    return [_outcome(item, output, exit_code=exit_code, failed=bool(exit_code))]


def _told_command(item: dict[str, Any]) -> str:
    words: list[Any] = optional(item, "command", list, [])
    return shlex.join(filter(_is_text, words)) or required(item, "command", str)


def _file_change(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    status = string(item, "status") or ("completed" if has_ended else "in_progress")
    changes: list[Shape] = [
        FileChange(
            tool_id=string(item, "id"),
            path=_changed_path(change, project_path),
            kind=_change_kind(change.get("kind")),
            lines=_changed_lines(change),
            status=status,
        )
        for change in _told_changes(item)
        if string(change, "path")
    ]
    if not changes:
        raise Malformed("changes")
    return changes


def _told_changes(item: dict[str, Any]) -> list[dict[str, Any]]:
    """A list, or an object by path, whose values say the kind as their type or only key."""
    by_path: dict[str, Any] = optional(item, "changes", dict, {})
    if not by_path:
        return objects(item, "changes")
    return [{"path": path, "kind": _kind_by_path(change)} for path, change in by_path.items()]


def _changed_path(change: dict[str, Any], project_path: str) -> str:
    kind: dict[str, Any] = optional(change, "kind", dict, {})
    places = [string(change, "path"), string(kind, "move_path")]
    return " → ".join(relative_path(place, project_path) for place in places if place)


def _changed_lines(change: dict[str, Any]) -> tuple[DiffLine, ...]:
    """The app-server tells them: a new or deleted file whole, otherwise what changed."""
    told = string(change, "diff")
    match _change_kind(change.get("kind")):
        case "add":
            return diffs.added(told)
        case "delete":
            return diffs.removed(told)
        case _:
            return diffs.from_unified(told)


def _kind_by_path(change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    return type_of(change) or change.get("kind") or next(iter(change), "")


def _change_kind(kind: Any) -> str:
    name = type_of(kind) if isinstance(kind, dict) else kind
    return name if isinstance(name, str) and name in CHANGE_KINDS else "update"


def _agent_call(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    prompt = optional(item, "prompt", str, "")
    if not has_ended:
        tool = required(item, "tool", str)
        return [_call(item, tool, first_line(prompt), {"prompt": prompt} if prompt else {})]
    held = item.get("agents_states")
    told_states = held.values() if isinstance(held, dict) else objects(item, "agents_states")
    states = [_agent_state(value) for value in told_states]
    told = "\n".join(filter(None, map(_told, states)))
    return [_outcome(item, told, failed=any(status in LOST_AGENTS for status, _ in states))]


def _agent_state(state: Any) -> tuple[str, str]:
    """A helper's status and its message: {"status": s, "message": m}, {s: m}, or s alone."""
    if isinstance(state, str):
        return snake(state), ""
    if not isinstance(state, dict):
        return "", pretty(state)
    if "status" in state:
        status, message = _agent_state(state["status"])
        return status, string(state, "message") or message
    status, message = next(iter(state.items()), ("", ""))
    return snake(status), message if isinstance(message, str) else pretty(message)


def _told(state: tuple[str, str]) -> str:
    status, message = state
    words = status.replace("_", " ")
    if status in LOST_AGENTS:
        return ": ".join(filter(None, [words, message]))
    return message or words


def _mcp_call(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    if not has_ended:
        named = filter(None, [string(item, "server"), required(item, "tool", str)])
        given = arguments(item.get("arguments"))
        return [_call(item, ": ".join(named), first_text(given), given)]
    error = item.get("error")
    if error:
        said = string(error, "message") if isinstance(error, dict) else ""
        return [_outcome(item, said or pretty(error), failed=True)]
    wrapped: dict[str, Any] = optional(item, "result", dict, {})
    if "Err" in wrapped:
        return [_outcome(item, pretty(wrapped["Err"]), failed=True)]
    return [_returned(item, wrapped.get("Ok", item.get("result")))]


def _dynamic_call(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    """A tool that the client of the app-server offers."""
    if not has_ended:
        given = arguments(item.get("arguments"))
        return [_call(item, required(item, "tool", str), first_text(given), given)]
    held = {"content": item.get("content_items"), "is_error": item.get("success") is False}
    return [_returned(item, held)]


def _returned(item: dict[str, Any], result: Any) -> ToolResult:
    """What an MCP server answered: blocks, or only a value by a schema."""
    held = result if isinstance(result, dict) else {"content": result}
    value = held.get("structured_content", held.get("structuredContent"))
    content = contents.read(held.get("content") or value)
    is_error = held.get("is_error") is True or held.get("isError") is True
    return replace(
        _outcome(item, content.text, failed=content.failed or is_error),
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
    text = "" if links or not call.summary else f"Searched for: {call.summary}"
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


CALLS: dict[str, ShowItem] = {
    "collab_agent_tool_call": _agent_call,
    "collab_tool_call": _agent_call,
    "command_execution": _command,
    "dynamic_tool_call": _dynamic_call,
    "file_change": _file_change,
    "mcp_tool_call": _mcp_call,
    "web_search": _web_search,
}
"""By type. The completion of each is what the tool gave back."""
