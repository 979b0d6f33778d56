"""Finding a row by what a person types: its id, or the start or end of it."""

from typing import TypeVar

from django.core.management.base import CommandError
from django.db.models import Model, QuerySet

from sessions_app.models import Session
from sessions_app.validation import is_unicode, printable

Row = TypeVar("Row", bound=Model)


def find_session(text: str) -> Session:
    """See `find`."""
    return find(Session.objects.all(), text, "session")


def find(rows: QuerySet[Row], text: str, name: str) -> Row:
    """The one row whose id is, starts with or ends with `text`; CommandError otherwise, which
    calls it `name`.

    Ids made in the same minute start alike, so the end is the handy part to type.
    """
    found = _matches(rows, text) if is_unicode(text) else []
    if len(found) == 1:
        return found[0]
    problem = f"matches no {name}" if not found else "matches more than one: type more of it"
    raise CommandError(f"{printable(text)!r} {problem}.")


def _matches(rows: QuerySet[Row], text: str) -> list[Row]:
    found = list(rows.filter(pk=text))
    if found or len(text) < 4:
        return found
    return list(rows.filter(pk__startswith=text)[:2] or rows.filter(pk__endswith=text)[:2])
