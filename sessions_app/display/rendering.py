"""Pages of a transcript as HTML."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.db.models.functions import Substr
from django.template.loader import render_to_string

from sessions_app.display.conversation import Conversation, Entry, arrange
from sessions_app.models import Session, SessionMessage
from sessions_app.providers import display_message
from sessions_app.providers.shapes import Notice, Shape

PAGE = 100
"""Messages on a page."""

LARGEST = 1_000_000
"""Characters beyond which a message is not parsed for a page but only linked to."""

LARGEST_WITH_PICTURES = 40_000_000
"""Characters of the longest message whose pictures are shown."""

PICTURES_READ = 100_000_000
"""Characters of long messages that are read for one page, to show what stands by pictures."""

PICTURE = re.compile(
    r'"(?:data|blob|base64|url|image_url|imageUrl)"\s*:\s*'
    r'"(?:data:[^",]{0,100},)?[A-Za-z0-9+/=]{10000,}'
)
"""The fields of a message that hold a picture's bytes."""


@dataclass(frozen=True, slots=True)
class Page:
    """`earlier` is the cursor of the page before, None on the first one; `last` is the id of
    the newest message on this page."""

    entries: list[Entry]
    earlier: str | None
    last: str


def page(session: Session, before: str | None = None) -> Page:
    """The last messages of a session, or the last ones before the message id `before`."""
    rows = _messages(session)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: PAGE + 1])
    messages = found[:PAGE][::-1]
    conversation = Conversation()
    for earlier in found[PAGE:]:
        conversation.recall(_shapes(earlier, _beginning(earlier), session.project_path))
    return Page(
        arrange(feed(conversation, session, messages)),
        earlier=messages[0].pk if len(found) > PAGE else None,
        last=messages[-1].pk if messages else "",
    )


def after(session: Session, cursor: str) -> list[SessionMessage]:
    """The next messages after `cursor`, at most a page, ready for `feed`."""
    return list(_messages(session).filter(pk__gt=cursor).order_by("pk")[:PAGE])


def until(session: Session, cursor: str) -> list[SessionMessage]:
    """The page of messages that ends with `cursor`: what later ones may belong to."""
    return list(_messages(session).filter(pk__lte=cursor).order_by("-pk")[:PAGE])[::-1]


def feed(
    conversation: Conversation, session: Session, messages: Iterable[SessionMessage]
) -> list[Entry]:
    """The entries that these messages add to the conversation or change in it, each once."""
    touched: dict[Entry, None] = {}
    may_read = PICTURES_READ
    for message in messages:
        content = _beginning(message)
        if len(content) > LARGEST and may_read > 0 and PICTURE.search(content):
            content = _with_pictures(message)
            may_read -= len(content)
        shapes = _shapes(message, content, session.project_path)
        touched |= dict.fromkeys(conversation.add(message.pk, message.created_at, shapes))
    return list(touched)


def html(entry: Entry) -> str:
    return render_to_string(entry.template, {"entry": entry})


def _messages(session: Session) -> "QuerySet[SessionMessage]":
    """Messages with only the beginning of their content: one line may hold megabytes."""
    rows = SessionMessage.objects.filter(session=session).defer("content_data")
    return rows.annotate(beginning=Substr("content_data", 1, LARGEST + 1))


def _beginning(message: SessionMessage) -> str:
    beginning: str = message.beginning  # type: ignore[attr-defined]
    return beginning


def _with_pictures(message: SessionMessage) -> str:
    """All of a long message."""
    rows = SessionMessage.objects.filter(pk=message.pk)
    start = Substr("content_data", 1, LARGEST_WITH_PICTURES + 1)
    return str(rows.annotate(start=start).values_list("start", flat=True).first() or "")


def _is_readable(content: str) -> bool:
    """Whether a page has room for it: pictures take room only in the stored message."""
    if len(content) <= LARGEST:
        return True
    bytes_of_pictures = sum(len(found[0]) for found in PICTURE.finditer(content))
    return len(content) <= LARGEST_WITH_PICTURES and len(content) - bytes_of_pictures <= LARGEST


def _shapes(message: SessionMessage, content: str, project_path: str) -> list[Shape]:
    if not _is_readable(content):
        return [Notice(f"A message of over {LARGEST:,} characters is not shown here.", "warning")]
    return display_message(message.provider, message.type, content, project_path)
