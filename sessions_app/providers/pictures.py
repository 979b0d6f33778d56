"""Pictures inside messages: what is told of them, and their bytes.

A picture is named by a digest of its stored text, so that an address means the same picture
for ever. Its type is what its first bytes say, else what the message claims, unless it is a
text: these four types hold nothing that a browser would run.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from sessions_app.providers.reading import string, type_of, whole
from sessions_app.providers.shapes import Image

LARGEST = 16 * 1024 * 1024
"""Bytes of the largest picture that is shown; the providers' own limits lie below."""

TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

MOST = 10
"""Images of one prompt."""

START = 64
"""Characters of base64 that tell a picture's type."""

DATA_URL = "data:"

HASH = re.compile("[0-9a-f]{64}")


def image(block: dict[str, Any], parent: str | None = None) -> Image:
    """What is told of the picture in a block, of Claude's form, MCP's or Codex's."""
    encoded, claimed = _encoded(block)
    if not encoded:
        return Image(claimed=claimed, url=_address(block), parent_tool_id=parent)
    kind, size = _media_type(encoded, claimed), _size(encoded)
    is_shown = kind and size <= LARGEST
    return Image(
        key=_digest(encoded) if is_shown else "",
        media_type=kind if is_shown else "",
        size=size,
        claimed=claimed,
        parent_tool_id=parent,
    )


def attached(named: dict[str, Any]) -> Image:
    """What is told of an image that a prompt names: its bytes are a file (`image_files`)."""
    key, kind, size = string(named, "hash"), string(named, "type"), whole(named, "size") or 0
    is_shown = HASH.fullmatch(key) and kind in TYPES
    return Image(key=key if is_shown else "", media_type=kind if is_shown else "", size=size)


def find(data: Any, key: str) -> tuple[str, bytes] | None:
    """The type and the bytes of the picture with this key, None if the event has none."""
    for encoded, claimed in _all_encoded(data):
        if _size(encoded) <= LARGEST and _digest(encoded) == key:
            kind = _media_type(encoded, claimed)
            return (kind, _decoded(encoded)) if kind else None
    return None


def _all_encoded(value: Any) -> Iterator[tuple[str, str]]:
    """What `_encoded` returns for everything in an event that says it is a picture."""
    if isinstance(value, list):
        for item in value:
            yield from _all_encoded(item)
    elif isinstance(value, dict):
        encoded, claimed = _encoded(value)
        if encoded:
            yield encoded, claimed
        for item in value.values():
            yield from _all_encoded(item)


def _encoded(block: dict[str, Any]) -> tuple[str, str]:
    """The base64 of a block's picture and the type that it claims; "" where it holds none."""
    source = block.get("source")
    if isinstance(source, dict):
        return string(source, "data"), string(source, "media_type")
    if string(block, "blob"):  # an embedded resource of MCP
        return string(block, "blob"), string(block, "mimeType")
    address = _address(block)
    if address.startswith(DATA_URL):
        head, _, encoded = address.removeprefix(DATA_URL).partition(",")
        return encoded, head.partition(";")[0]
    if type_of(block) == "image":
        return string(block, "data"), string(block, "mimeType")
    return "", ""


def _address(block: dict[str, Any]) -> str:
    source = block.get("source")
    held = source if isinstance(source, dict) else block
    return string(held, "url") or string(held, "image_url") or string(held, "imageUrl")


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return b""


def _size(encoded: str) -> int:
    return len(encoded) * 3 // 4 - encoded[-2:].count("=")


def _digest(encoded: str) -> str:
    return hashlib.blake2b(encoded.encode(), digest_size=16).hexdigest()


def _media_type(encoded: str, claimed: str) -> str:
    """The picture's type; "" for one that is not shown."""
    start = _decoded(encoded[:START])
    if kind := signed_type(start):
        return kind
    return claimed if claimed in TYPES and not _is_text(start) else ""


def signed_type(start: bytes) -> str:
    """The type that these first bytes are the sign of, "" for one that is not shown."""
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    return ""


def _is_text(start: bytes) -> bool:
    """Whether it could be markup or a script; a character at its end may be cut."""
    text = start.decode(errors="ignore")
    return len(start) - len(text.encode()) < 4 and "\0" not in text
