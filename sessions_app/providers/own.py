"""The events that PokéCode itself writes (see `events`), and what they show."""

from typing import Any

from sessions_app.providers import events, pictures
from sessions_app.providers.reading import objects, optional, required, string
from sessions_app.providers.shapes import Error, Notice, Prompt, Shape

TYPES = {
    events.PROMPT: "user",
    events.ERROR: "error",
    events.NOTICE: "system",
    events.RESUMPTION: "result",
    events.UNREADABLE: "error",
}
"""Kind -> message type."""


def is_own(message_type: str, kind: str) -> bool:
    """True for an event that PokéCode wrote, as its message's type and its kind together say."""
    return TYPES.get(kind) == message_type


def is_imitation(data: dict[str, Any]) -> bool:
    """True for an agent's line that looks like ours. As an "assistant" message, a type that none
    of ours has, it cannot pass for a prompt."""
    return string(data, "kind") in TYPES


def _prompt(data: dict[str, Any], project_path: str) -> list[Shape]:
    images = tuple(map(pictures.attached, objects(data, "images")[: pictures.MOST]))
    return [Prompt(required(data, "content", str), images)]


def _error(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Error(required(data, "message", str), optional(data, "detail", str, ""))]


def _notice(data: dict[str, Any], project_path: str) -> list[Shape]:
    # A warning is never folded away: what PokéCode says is meant to be read.
    return [Notice(required(data, "message", str), level="warning")]


def _unreadable(data: dict[str, Any], project_path: str) -> list[Shape]:
    reason = required(data, "reason", str)
    line = optional(data, "text", str, "") or optional(data, "base64", str, "")
    return [Error(f"A line of the agent's output {reason}: it is kept as it came.", line)]


SHOW = {
    events.PROMPT: _prompt,
    events.ERROR: _error,
    events.NOTICE: _notice,
    events.RESUMPTION: _notice,
    events.UNREADABLE: _unreadable,
}
