"""Reading one line of a tool's output, and the events that PokéCode itself writes.

A line is stored as it came if a database and a browser can hold it: valid
UTF-8, a JSON object, no NUL. Anything else is wrapped in an event of our own, so
that nothing is lost and one broken line does not spoil its neighbours.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PROMPT = "pokecode_user_message"  # the original PokéCode's own kind
ERROR = "pokecode_error"
NOTICE = "pokecode_notice"
RESUMPTION = "pokecode_resumption"
UNREADABLE = "pokecode_unreadable_line"

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
"""Valid UTF-8 can hold a surrogate only as such an escape."""

NESTING = 200
"""Brackets that a text may open without being deep; the limit of recursion is far above."""

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one line that are kept; the rest of a longer line is dropped, and its event says so."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of output: `raw` to store, `data` to understand (ours if `is_own`)."""

    raw: str
    data: dict[str, Any]
    is_own: bool = False


def read_line(line: bytes, *, cut: bool = False) -> Line:
    """The line without its newline; `cut` says that it went on past LINE_LIMIT or the end."""
    try:
        raw = line.decode()
        data = _parsed(raw)
    except UnicodeDecodeError:
        return unreadable(line, "is not valid UTF-8")
    except RecursionError:
        return unreadable(line, "is nested too deeply")
    except ValueError:
        return unreadable(line, "was cut off" if cut else "is not JSON")
    if not isinstance(data, dict):
        return unreadable(line, "is not a JSON object")
    return Line(raw, data)


def unreadable(line: bytes, reason: str) -> Line:
    data: dict[str, Any] = {"kind": UNREADABLE, "reason": reason, "bytes": len(line)}
    try:
        data["text"] = line.decode()
    except UnicodeDecodeError:
        data["base64"] = base64.b64encode(line).decode("ascii")
    return own(data)


def own(data: dict[str, Any]) -> Line:
    return Line(json.dumps(data), data, is_own=True)


def prompt(text: str, prompt_id: str, images: Sequence[dict[str, Any]] = ()) -> Line:
    """`images` are named by hash, type and size: their bytes are files (`image_files`)."""
    data = {"kind": PROMPT, "id": prompt_id, "role": "user", "content": text}
    return own({**data, "images": list(images)} if images else data)


def error(message: str, detail: str = "") -> Line:
    return own({"kind": ERROR, "message": message, **({"detail": detail} if detail else {})})


def notice(message: str) -> Line:
    return own({"kind": NOTICE, "message": message})


def resumption(message: str) -> Line:
    """Says which conversation the session goes on in; its message carries the id."""
    return own({"kind": RESUMPTION, "message": message})


def parse_stored(raw: str) -> dict[str, Any]:
    """The object in a stored `content_data`; {} if it holds none. Never raises."""
    try:
        data = _parsed(raw)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _parsed(raw: str) -> Any:
    """The clean value; RecursionError if it is nested too deeply, ValueError if it is not JSON.

    For most lines the text itself shows that no walk is needed: one takes longer than parsing.
    """
    value = json.loads(raw)
    has_few_brackets = raw.count("{") + raw.count("[") <= NESTING
    if has_few_brackets and not SURROGATE_ESCAPE.search(raw):
        return value
    return clean(value)


def clean(value: Any) -> Any:
    """The same value with lone surrogates (which cannot be encoded) replaced."""
    if isinstance(value, str):
        return value if value.isascii() else LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    return value
