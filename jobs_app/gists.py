"""Requests where many are listed: a line about each, however long they are."""

from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Length

from jobs_app.models import JobRequest
from sessions_app.providers import requested
from sessions_app.visible import short_line

LINE_LIMIT = 160
READ_LIMIT = 300_000
"""Characters of the longest request that is read for a line about it."""


def with_sizes(rows: "QuerySet[JobRequest]") -> "QuerySet[JobRequest]":
    """With the characters that they hold, and without these: it can be megabytes."""
    size = Length("content_data") + Coalesce(Length("call_data"), 0)
    return rows.select_related("session").annotate(size=size).defer("content_data", "call_data")


def gist(row: JobRequest) -> str:
    """What one of those `with_sizes` asks, in a line that shows whatever hides."""
    size: int = row.size  # type: ignore[attr-defined]
    told = requested.gist(row.asked) if size <= READ_LIMIT else f"{row.tool}: {size:,} characters"
    return short_line(told, LINE_LIMIT)
