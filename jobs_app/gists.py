"""Requests where many are listed: a line about each, however long they are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, QuerySet, When
from django.db.models.functions import Coalesce, Length

from jobs_app.models import JobRequest
from sessions_app.providers import requested
from sessions_app.visible import short_line

LINE_LIMIT = 160
READ_LIMIT = 300_000
"""Characters of the longest request that is read for a line about it."""


@dataclass(frozen=True, slots=True)
class Sized:
    """A request and the characters that it holds; beyond `READ_LIMIT` these are not loaded."""

    request: JobRequest
    size: int

    @property
    def gist(self) -> str:
        """What is asked, in a line that shows whatever hides."""
        row = self.request
        if self.size > READ_LIMIT:
            return short_line(f"{row.tool}: {self.size:,} characters", LINE_LIMIT)
        return short_line(requested.gist(row.asked), LINE_LIMIT)


def with_sizes(rows: "QuerySet[JobRequest]") -> "QuerySet[JobRequest]":
    """For `sized`, in one query: a text of megabytes is counted, and left where it is."""
    size = Length("content_data") + Coalesce(Length("call_data"), 0)
    counted = rows.select_related("session").annotate(size=size)
    short = {
        f"short_{name}": Case(When(size__lte=READ_LIMIT, then=F(name)))
        for name in ("content_data", "call_data")
    }
    return counted.annotate(**short).defer("content_data", "call_data")


def sized(rows: Iterable[Any]) -> Iterator[Sized]:
    """Those `with_sizes`, short ones whole."""
    for row in rows:
        if row.size <= READ_LIMIT:
            row.content_data, row.call_data = row.short_content_data, row.short_call_data
        yield Sized(row, row.size)
