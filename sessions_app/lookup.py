"""Finding a session by what a person types: its id, or the start or end of it."""

from django.core.management.base import CommandError

from sessions_app.models import Session
from sessions_app.validation import is_unicode, printable


def find_session(text: str) -> Session:
    """The one session whose id is, starts with or ends with `text`; CommandError otherwise.

    Ids made in the same minute start alike, so the end is the handy part to type.
    """
    found = _matches(text) if is_unicode(text) else []
    if len(found) == 1:
        return found[0]
    problem = "matches no session" if not found else "matches more than one: type more of it"
    raise CommandError(f"{printable(text)!r} {problem}.")


def _matches(text: str) -> list[Session]:
    found = list(Session.objects.filter(pk=text))
    if found or len(text) < 4:
        return found
    return list(
        Session.objects.filter(pk__startswith=text)[:2]
        or Session.objects.filter(pk__endswith=text)[:2]
    )
