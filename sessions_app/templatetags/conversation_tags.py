"""How the values of a display shape are written on a page: short, visible, escaped."""

import json
import re
from datetime import timedelta
from typing import Any

from django import template

from sessions_app.display.confined import Budget, render
from sessions_app.display.html import lasted
from sessions_app.display.images import described
from sessions_app.providers.shapes import DiffLine, Image, Link, ToolUse
from sessions_app.visible import short_line
from sessions_app.visible import visible as make_visible

register = template.Library()

OUTPUT_LIMIT = 12_000
"""Characters of an output, an argument or a detail on a page."""

MARKDOWN_LIMIT = 20_000
"""Characters of one text that are rendered as Markdown."""

DIFF_LIMIT = 500
"""Lines of one file's difference on a page."""

LINE_LIMIT = 200
"""Characters of what stands in one line, such as a call's key argument."""

URL_LIMIT = 2000
"""Characters of the longest address that is a link."""

SHOWN_LINKS = 50
"""Links of one result on a page."""

ARGUMENT_LIMIT = 30
"""Arguments of one call on a page."""

TERMINAL_COLOUR = re.compile("\x1b\\[[0-9;]*m")


@register.filter
def visible(text: str) -> str:
    """The text with hiding characters shown by their code; terminal colours are left out."""
    return make_visible(TERMINAL_COLOUR.sub("", text))


@register.filter
def line(text: str) -> str:
    """The first line, shortened and visible."""
    return short_line(TERMINAL_COLOUR.sub("", text), LINE_LIMIT)


@register.inclusion_tag("sessions_app/parts/output.html")
def output(text: str, message_id: str) -> dict[str, Any]:
    """A block of text as it is, with a link to its message where it was cut."""
    return _clamp(text, OUTPUT_LIMIT, message_id)


@register.inclusion_tag("sessions_app/parts/markdown.html")
def markdown(text: str, message_id: str, budget: Budget) -> dict[str, Any]:
    clamped = _clamp(text, MARKDOWN_LIMIT, message_id)
    return {**clamped, "html": render(clamped["text"], budget)}


@register.inclusion_tag("sessions_app/parts/diff.html")
def diff(lines: tuple[DiffLine, ...], message_id: str) -> dict[str, Any]:
    return {
        "lines": lines[:DIFF_LIMIT],
        "cut": f"{len(lines) - DIFF_LIMIT:,}" if len(lines) > DIFF_LIMIT else "",
        "message_id": message_id,
    }


@register.filter
def is_long(text: str) -> bool:
    """Whether a line does not show all of it."""
    return len(text) > LINE_LIMIT or "\n" in text.strip()


@register.inclusion_tag("sessions_app/parts/picture.html")
def picture(image: Image, message_id: str) -> dict[str, Any]:
    """The picture itself where its type is shown, and else what it is in words."""
    return {
        "image": image,
        "words": visible(described(image)),
        "url": web_address(image.url),
        "message_id": message_id,
    }


@register.inclusion_tag("sessions_app/parts/links.html")
def links(found: tuple[Link, ...], message_id: str) -> dict[str, Any]:
    cut = len(found) - SHOWN_LINKS
    return {"links": found[:SHOWN_LINKS], "cut": max(0, cut), "message_id": message_id}


@register.filter
def web_address(url: str) -> str:
    """The address if a link may lead there; "" for any other, which is shown as text only."""
    is_web = url.lower().startswith(("http://", "https://"))
    return url if is_web and len(url) <= URL_LIMIT and url.isprintable() else ""


@register.filter
def arguments(call: ToolUse) -> list[tuple[str, str]]:
    """The arguments that the call's summary and description do not already show."""
    shown = (call.summary, call.description)
    pairs = list(call.arguments.items())[:ARGUMENT_LIMIT]
    return [(str(name), _plain(value)) for name, value in pairs if value not in shown]


@register.filter
def thousands(number: int) -> str:
    return f"{number:,}"


@register.filter
def money(dollars: float) -> str:
    return f"${dollars:.4f}"


@register.filter
def milliseconds(value: int) -> str:
    return lasted(timedelta(milliseconds=value))


def _clamp(text: str, limit: int, message_id: str) -> dict[str, Any]:
    return {
        "text": visible(text[:limit]),
        "cut": f"{len(text) - limit:,}" if len(text) > limit else "",
        "message_id": message_id,
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
