"""Reading events that may hold anything.

A wrong type is as good as a missing field: `Malformed` where nothing can be shown without it,
else left out, so that one odd field hides nothing beside it.
"""

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sessions_app.providers.shapes import Shape, Unknown

T = TypeVar("T")

Show = Callable[[dict[str, Any], str], list[Shape]]
"""Shows one event; takes its data and the project's path, and may raise Malformed."""

TYPE_LIMIT = 100
"""Characters of a type's name that are shown."""

CAPITAL = re.compile(r"(?<!^)[A-Z]")
NUMBER_LIMIT = 1e15
SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


class Malformed(ValueError):
    """An event or block of a known type without the field that it is all about."""


def required(data: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = data.get(key)
    if not isinstance(value, kind):
        raise Malformed(key)
    return value


def optional(data: Mapping[str, Any], key: str, kind: type[T], default: T) -> T:
    """The field, or `default` where it is missing or of another kind."""
    value = data.get(key)
    return value if isinstance(value, kind) else default


def objects(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects in a list; what else stands in it, or in its place, is left out."""
    items: list[Any] = optional(data, key, list, [])
    return [item for item in items if isinstance(item, dict)]


def number(data: Mapping[str, Any], key: str) -> float | None:
    """A finite number, or None where the field holds none."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < NUMBER_LIMIT else None  # NaN is below nothing


def whole(data: Mapping[str, Any], key: str) -> int | None:
    """Like `number`, without the fraction."""
    value = number(data, key)
    return None if value is None else int(value)


def string(data: Mapping[str, Any], key: str) -> str:
    """The text in a field that may hold anything; "" where it holds none."""
    value = data.get(key)
    return value if isinstance(value, str) else ""


def type_of(data: Mapping[str, Any]) -> str:
    return string(data, "type")


def show(
    data: dict[str, Any], project_path: str, type_name: str, table: Mapping[str, Show]
) -> list[Shape]:
    """What the table says to show; Unknown for any other type and for a malformed event."""
    handler = table.get(type_name)
    try:
        return handler(data, project_path) if handler else [unknown(data, type_name)]
    except Malformed:
        return [unknown(data, type_name)]


def unknown(data: Any, type_name: str) -> Unknown:
    return Unknown(type=type_name[:TYPE_LIMIT] or "event", raw=pretty(data))


def pretty(value: Any) -> str:
    """Any value as indented JSON; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def arguments(value: Any) -> dict[str, Any]:
    """A call's arguments by name; those given by position are counted from 1."""
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    positional = value if isinstance(value, list) else [value]
    return {str(place): item for place, item in enumerate(positional, 1)}


def first_text(values: Mapping[str, Any]) -> str:
    """The first argument that is a text; "" if there is none."""
    return next((value for value in values.values() if isinstance(value, str)), "")


def relative_path(path: str, project_path: str) -> str:
    """The path as seen from the project if it lies in it, otherwise unchanged."""
    inside = posixpath.normpath(project_path) + "/"
    normal = posixpath.normpath(path)
    return normal[len(inside) :] if normal.startswith(inside) else path


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def snake(name: str) -> str:
    """A name as `codex exec` writes it: `mcpToolCall` -> `mcp_tool_call`."""
    return CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)


def session_id(value: Any) -> str | None:
    """A conversation's id, or None for what cannot be one: it becomes an argument, and a row."""
    return value if isinstance(value, str) and SESSION_ID.fullmatch(value) else None
