"""Small pieces of HTML for admin pages. All text in them is hostile: escaped, and visible."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

from sessions_app.visible import visible

EMPTY = "—"
SHOWN_LIMIT = 100_000
"""Characters of one text that a page shows: a browser stays quick, and a person has enough."""


def clip(text: str, limit: int = 100) -> str:
    """The text on one line, shortened."""
    line = " ".join(text[: 4 * limit].split())
    return visible(line if len(line) <= limit else f"{line[: limit - 1]}…")


def isolated(text: str) -> SafeString:
    """Text whose writing direction cannot turn around what stands beside it."""
    return format_html("<bdi>{}</bdi>", visible(text))


def link(model: type[Model], pk: str, label: str) -> SafeString:
    """A link to a row's page."""
    return format_html('<a href="{}">{}</a>', page_url(model, pk), isolated(label))


def page_url(model: type[Model], pk: str, page: str = "change") -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(name, args=[quote(pk)])


def list_link(model: type[Model], label: str, **filters: Any) -> SafeString:
    """A link to the rows that these filters leave."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return format_html('<a href="{}?{}">{}</a>', reverse(name), urlencode(filters), label)


def when(moment: datetime | None) -> str | SafeString:
    """A time, absolute and relative."""
    if moment is None:
        return EMPTY
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}">{}</time> ({})',
        local.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S}",
        _relative(moment),
    )


def _relative(moment: datetime) -> str:
    age = timezone.now() - moment
    if age < timedelta():
        return f"in {timeuntil(moment, depth=1)}"
    return "just now" if age < timedelta(minutes=1) else f"{timesince(moment, depth=1)} ago"


def lasted(duration: timedelta) -> str:
    """A duration in its two largest units: 4.2 s, 3 min 4 s, 2 h 10 min."""
    seconds = max(0.0, duration.total_seconds())
    if seconds < 60:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


def long_text(text: str) -> SafeString:
    """A preformatted text, cut at SHOWN_LIMIT, which is then said."""
    block = format_html('<pre class="pokecode-text">{}</pre>', isolated(text[:SHOWN_LIMIT]))
    if len(text) <= SHOWN_LIMIT:
        return block
    sizes = f"The first {SHOWN_LIMIT:,} of {len(text):,} characters are shown."
    return format_html("{}<p>{}</p>", block, sizes)
