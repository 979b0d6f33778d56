"""Pages of a transcript as HTML."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.template.loader import render_to_string

from sessions_app.display.confined import Budget
from sessions_app.display.conversation import Conversation, Entry, arrange
from sessions_app.display.long_messages import LARGEST, Reader, beginnings
from sessions_app.models import Session, SessionMessage
from sessions_app.providers import display_message
from sessions_app.providers.shapes import Notice, Shape

PAGE = 100
"""Messages on a page."""

SHOWN_PARTS = 300
"""Entries of one message on a page."""

SHOWN_ON_PAGE = 2000
"""Entries after which a page's further messages are only linked to: each takes its time."""

READING_SECONDS = 1.0
"""Processor time after which a page's further messages are only linked to: ordinary ones of a
million characters each take less."""

TOO_LATE = Notice("This message is not shown here: those before it took too long.", "warning")
TOO_MANY = Notice("This message is not shown here: those before it have too many parts.", "warning")


@dataclass(frozen=True, slots=True)
class Page:
    """`earlier` is the cursor of the page before, None on the first one; `last` is the id of
    the newest message on this page. `budget` is what its texts may take."""

    entries: list[Entry]
    earlier: str | None
    last: str
    budget: Budget = field(default_factory=Budget)


EMPTY = Page([], None, "")
"""For who may not read the messages."""


def page(session: Session, before: str | None = None) -> Page:
    """The last messages of a session, or the last ones before the message id `before`."""
    rows = _messages(session)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: PAGE + 1])
    messages = found[:PAGE][::-1]
    conversation = Conversation()
    for earlier in found[PAGE:]:
        conversation.recall(_shapes(earlier, Reader(), session.project_path))
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
    reader, began = Reader(), time.thread_time()
    for message in messages:
        if time.thread_time() - began > READING_SECONDS:
            shapes: list[Shape] = [TOO_LATE]
        elif len(touched) >= SHOWN_ON_PAGE:
            shapes = [TOO_MANY]
        else:
            shapes = _shapes(message, reader, session.project_path)
        touched |= dict.fromkeys(conversation.add(message.pk, message.created_at, shapes))
    return list(touched)


def html(entry: Entry, budget: Budget | None = None) -> str:
    """One entry; those that are shown together share a budget."""
    return render_to_string(entry.template, {"entry": entry, "budget": budget or Budget()})


def _messages(session: Session) -> "QuerySet[SessionMessage]":
    """Messages with only the beginning of their content: one line may hold megabytes."""
    return beginnings(SessionMessage.objects.filter(session=session))


def _shapes(message: SessionMessage, reader: Reader, project_path: str) -> list[Shape]:
    content = reader.content(message)
    if content is None:
        return [Notice(f"A message of over {LARGEST:,} characters is not shown here.", "warning")]
    shapes = display_message(message.provider, message.type, content, project_path)
    more = len(shapes) - SHOWN_PARTS
    if more <= 0:
        return shapes
    return [*shapes[:SHOWN_PARTS], Notice(f"{more:,} more parts are not shown here.", "warning")]
