"""Codex's own record of a conversation (`rollout-….jsonl`), as far as it tells what was said.

A turn stands in it twice: once as the model saw it (`response_item`), which is shown, and once
as events for Codex's own screen.
"""

from typing import Any

from sessions_app.providers import contents
from sessions_app.providers.events import parse_stored
from sessions_app.providers.reading import (
    Show,
    arguments,
    first_text,
    optional,
    required,
    string,
    type_of,
    unknown,
)
from sessions_app.providers.shapes import Notice, Prompt, Shape, Text, Thinking, ToolResult, ToolUse

PREFIXES = ("<environment_context>", "<user_instructions>", "<turn_aborted>", "# AGENTS.md")
"""How texts begin that Codex adds in the place of a person."""

TROUBLE = {"error", "stream_error", "turn_aborted", "warning"}


def _response(data: dict[str, Any], project_path: str) -> list[Shape]:
    item: dict[str, Any] = required(data, "payload", dict)
    kind = type_of(item)
    if kind == "message":
        return _message(item)
    if kind == "reasoning":
        text = contents.read(item.get("summary")).text
        return [Thinking(text)] if text.strip() else []
    if kind == "additional_tools":
        return []
    if kind.endswith("_call"):
        given = _arguments(item)
        name = string(item, "name") or kind.removesuffix("_call")
        return [ToolUse(string(item, "call_id"), name, first_text(given), given)]
    if kind.endswith("_output"):
        return [ToolResult(string(item, "call_id"), contents.read(item.get("output")).text)]
    return [unknown(data, f"response_item/{kind}")]


def _message(item: dict[str, Any]) -> list[Shape]:
    content = contents.read(item.get("content"))
    match string(item, "role"):
        case "assistant":
            return [Text(content.text)]
        case "user" if not content.text.startswith(PREFIXES):
            return [Prompt(content.text), *content.images]
    return []


def _arguments(item: dict[str, Any]) -> dict[str, Any]:
    given = item.get("arguments", item.get("input", item.get("action")))
    return arguments((parse_stored(given) or given) if isinstance(given, str) else given)


def _event(data: dict[str, Any], project_path: str) -> list[Shape]:
    event: dict[str, Any] = required(data, "payload", dict)
    if type_of(event) not in TROUBLE:
        return []
    said = string(event, "message") or string(event, "reason")
    return [Notice(said or type_of(event).replace("_", " ").capitalize(), "warning")]


def _compacted(data: dict[str, Any], project_path: str) -> list[Shape]:
    event: dict[str, Any] = optional(data, "payload", dict, {})
    return [Notice("The conversation was compacted.", detail=string(event, "message"))]


def _nothing(data: dict[str, Any], project_path: str) -> list[Shape]:
    """For what Codex keeps for itself."""
    return []


EVENTS: dict[str, Show] = {
    "compacted": _compacted,
    "event_msg": _event,
    "response_item": _response,
    "session_meta": _nothing,
    "token_usage_record": _nothing,
    "turn_context": _nothing,
    "world_state": _nothing,
}
