"""The only writer of messages and of the counters beside them, and the reader of pages.

Every change of a message goes through here, in one transaction with the
session's `message_count` and `token_count`, so the counters are always right.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from sessions_app import changes
from sessions_app.ids import new_id_after
from sessions_app.models import MessageType, Session, SessionMessage


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to append. `id` only where it was promised before (a prompt's messageId)."""

    session_id: str
    provider: str
    type: str
    content: str
    provider_session_id: str | None = None
    token_count: int | None = None
    id: str | None = None


def append(messages: Sequence[NewMessage]) -> list[SessionMessage]:
    """Store messages in their order, in one transaction; returns the rows."""
    if not messages:
        return []
    with transaction.atomic():
        floors = _last_ids({message.session_id for message in messages})
        rows = [_row(message, floors) for message in messages]
        SessionMessage.objects.bulk_create(rows, batch_size=500)
        _count(rows, +1)
        changes.announce(changes.MESSAGES)
    return rows


def edit(message: SessionMessage) -> None:
    """Save a changed message; its session's token count follows."""
    with transaction.atomic():
        stored = SessionMessage.objects.select_for_update().get(pk=message.pk)
        _count([stored], -1)
        message.save()
        _count([message], +1)
        changes.announce(changes.MESSAGES)


def remove(messages: Iterable[SessionMessage]) -> int:
    """Delete messages; the counters follow. Returns how many there were."""
    with transaction.atomic():
        ids = [message.pk for message in messages]
        stored = list(SessionMessage.objects.select_for_update().filter(pk__in=ids))
        _count(stored, -1)
        deleted, _ = SessionMessage.objects.filter(pk__in=[row.pk for row in stored]).delete()
        changes.announce(changes.MESSAGES)
    return deleted


def recount(session: Session) -> None:
    """Set the counters from the messages themselves."""
    with transaction.atomic():
        rows = SessionMessage.objects.filter(session=session)
        tokens = rows.aggregate(total=Coalesce(Sum("token_count"), 0))["total"]
        Session.objects.filter(pk=session.pk).update(
            message_count=rows.count(), token_count=tokens, updated_at=timezone.now()
        )


def after(session_id: str, cursor: str = "", limit: int = 500) -> list[SessionMessage]:
    """The next messages behind the message id `cursor`, oldest first."""
    rows = SessionMessage.objects.filter(session_id=session_id, pk__gt=cursor)
    return list(rows.order_by("pk")[:limit])


def before(session_id: str, cursor: str | None = None, limit: int = 100) -> list[SessionMessage]:
    """The last messages, or the last ones before the message id `cursor`, oldest first."""
    rows = SessionMessage.objects.filter(session_id=session_id)
    if cursor is not None:
        rows = rows.filter(pk__lt=cursor)
    return list(rows.order_by("-pk")[:limit])[::-1]


def next_id(session_id: str) -> str:
    """An id for a message that is appended now, behind all that the session has."""
    return new_id_after(_last_ids({session_id})[session_id])


def conversation_id(session_id: str) -> str | None:
    """The provider's id of the conversation to resume; None if the agent never answered.

    An id in a system or error event alone is not enough: a run that failed to
    log in names a conversation that was never kept.
    """
    said = SessionMessage.objects.filter(
        session_id=session_id,
        type__in=[MessageType.ASSISTANT, MessageType.USER, MessageType.RESULT],
        provider_session_id__isnull=False,
    )
    return said.order_by("-pk").values_list("provider_session_id", flat=True).first()


def _last_ids(session_ids: set[str]) -> dict[str, str | None]:
    rows = SessionMessage.objects.filter(session_id__in=session_ids).values("session_id")
    found: dict[str, str | None] = dict.fromkeys(session_ids)
    found.update(rows.order_by().annotate(last=Max("pk")).values_list("session_id", "last"))
    return found


def _row(message: NewMessage, floors: dict[str, str | None]) -> SessionMessage:
    row_id = message.id or new_id_after(floors[message.session_id])
    floors[message.session_id] = max(row_id, floors[message.session_id] or "")
    return SessionMessage(
        id=row_id,
        session_id=message.session_id,
        provider=message.provider,
        type=message.type,
        content_data=message.content,
        provider_session_id=message.provider_session_id,
        token_count=message.token_count,
    )


def _count(rows: Iterable[SessionMessage], sign: int) -> None:
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        totals[row.session_id][0] += sign
        totals[row.session_id][1] += sign * (row.token_count or 0)
    # In one order everywhere, so that two writers never wait for each other.
    for session_id, (messages, tokens) in sorted(totals.items()):
        update: dict[str, Any] = {
            "message_count": F("message_count") + messages,
            "token_count": F("token_count") + tokens,
            "updated_at": timezone.now(),
        }
        Session.objects.filter(pk=session_id).update(**update)
