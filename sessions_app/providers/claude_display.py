"""What Claude Code's events show."""

from collections.abc import Callable
from typing import Any

from sessions_app.providers import claude_notices
from sessions_app.providers.claude_meter import dollars, turn_usage
from sessions_app.providers.claude_tools import call_form, content_text, tool_result, tool_use
from sessions_app.providers.reading import (
    Malformed,
    Show,
    objects,
    optional,
    required,
    string,
    type_of,
    unknown,
    whole,
)
from sessions_app.providers.shapes import Error, Notice, Prompt, Result, Shape, Text, Thinking

INTERRUPTED = "[Request interrupted"
ABORTED = {"aborted_streaming", "aborted_tools"}


def is_api_error(data: dict[str, Any]) -> bool:
    """An answer that the tool itself wrote in place of the model's: the API refused.

    2.1.330 flags it; 2.1.197 has only the field `error`.
    """
    return data.get("is_api_error_message") is True or bool(data.get("error"))


def _assistant(data: dict[str, Any], project_path: str) -> list[Shape]:
    message: dict[str, Any] = required(data, "message", dict)
    if is_api_error(data):
        # The result that follows carries the same text, and shows it as the error.
        return [Notice(content_text(message.get("content")), level="warning")]
    return _blocks(message, data, project_path)


def _user(data: dict[str, Any], project_path: str) -> list[Shape]:
    message: dict[str, Any] = required(data, "message", dict)
    return _blocks(message, data, project_path)


def _blocks(message: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise Malformed("content")
    return [shape for block in content for shape in _block(block, data, project_path)]


def _block(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    handler = BLOCKS.get(type_of(block))
    return handler(block, data, project_path) if handler else [unknown(block, type_of(block))]


def _text(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    text, parent = required(block, "text", str), _parent(data)
    if type_of(data) == "assistant" or parent:  # the prompt of a sub-agent is the agent's words
        return [Text(text, parent)]
    if data.get("isSynthetic"):
        return [Notice("The command-line tool asked the agent to continue.", detail=text)]
    if text.startswith(INTERRUPTED):
        return [Notice(text.strip("[]"), level="warning")]
    return [Prompt(text)]


def _thinking(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    text = required(block, "thinking", str)
    return [Thinking(text, _parent(data))] if text.strip() else []


def _redacted(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Thinking("(withheld by the provider)", _parent(data))]


def _tool_use(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    return tool_use(block, _parent(data), project_path)


def _tool_result(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    return tool_result(block, data.get("tool_use_result"), _parent(data), project_path)


def _parent(data: dict[str, Any]) -> str | None:
    return optional(data, "parent_tool_use_id", str, "") or None


BLOCKS: dict[str, Callable[[dict[str, Any], dict[str, Any], str], list[Shape]]] = {
    "redacted_thinking": _redacted,
    "server_tool_use": _tool_use,
    "text": _text,
    "thinking": _thinking,
    "tool_result": _tool_result,
    "tool_use": _tool_use,
    "web_search_tool_result": _tool_result,
}


def _result(data: dict[str, Any], project_path: str) -> list[Shape]:
    cost = dollars(data.get("total_cost_usd"))
    end = Result(
        text=optional(data, "result", str, ""),
        tokens=turn_usage(data).total,
        cost_usd=None if cost is None else float(cost),
        duration_ms=whole(data, "duration_ms"),
        turns=whole(data, "num_turns"),
        denials=tuple(_denial(item, project_path) for item in objects(data, "permission_denials")),
    )
    return [_failure(data), end] if optional(data, "is_error", bool, False) else [end]


def _failure(data: dict[str, Any]) -> Error:
    said = "\n".join(map(str, optional(data, "errors", list, [])))
    if string(data, "terminal_reason") in ABORTED:
        return Error("The agent was interrupted.", detail=said)
    subtype = string(data, "subtype").replace("_", " ")
    return Error(optional(data, "result", str, "") or said or f"The agent failed: {subtype}.")


def _denial(denial: dict[str, Any], project_path: str) -> str:
    arguments: dict[str, Any] = optional(denial, "tool_input", dict, {})
    return call_form(required(denial, "tool_name", str), arguments, project_path)


def _nothing(data: dict[str, Any], project_path: str) -> list[Shape]:
    """For pieces of an answer, which come again in whole `assistant` events."""
    return []


EVENTS: dict[str, Show] = {
    "assistant": _assistant,
    "conversation_reset": claude_notices.conversation_reset,
    "rate_limit_event": claude_notices.rate_limit,
    "result": _result,
    "stream_event": _nothing,
    "system": claude_notices.system,
    "user": _user,
}
