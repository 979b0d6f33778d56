"""The only writer of messages and of the counters beside them, and the reader of pages.

Every change of a message goes through here, in one transaction with the
session's `message_count` and `token_count`, so the counters are always right.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from sessions_app import changes, storage
from sessions_app.ids import new_id_after
from sessions_app.models import Session, SessionMessage

COLUMNS = (
    "id",
    "session_id",
    "provider",
    "type",
    "content_data",
    "provider_session_id",
    "token_count",
)

SUMS = ("message_count", "token_count")

# Of one session, as a part of other statements. A look at the end of its index: a
# GROUP BY would read all of it.
LAST_ID = """
(SELECT MAX(message.id) FROM session_messages AS message
 WHERE message.session_id = {session_id})
"""

# The provider's id of the conversation to resume. An id in a system or error event alone
# is not enough: a run that failed to log in names a conversation that was never kept.
# Ordering by the session too keeps PostgreSQL from walking the primary key through all
# sessions' messages.
CONVERSATION = """
(SELECT message.provider_session_id FROM session_messages AS message
 WHERE message.session_id = {session_id}
   AND message.type IN ('assistant', 'user', 'result')
   AND message.provider_session_id IS NOT NULL
 ORDER BY message.session_id DESC, message.id DESC LIMIT 1)
"""

LAST_IDS = f"""
SELECT session.id, {LAST_ID.format(session_id="session.id")}
FROM sessions AS session WHERE session.id {{in_keys}}
"""  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to append. `id` only where it is known already, as in an import."""

    session_id: str
    provider: str
    type: str
    content: str
    provider_session_id: str | None = None
    token_count: int | None = None
    id: str | None = None


class State(NamedTuple):
    """Values of a session that change together with its messages."""

    is_working: bool
    current_job_id: str | None
    last_job_status: str


NO_STATES: Mapping[str, State] = MappingProxyType({})


def append(messages: Sequence[NewMessage]) -> list[SessionMessage]:
    """Store messages as `store` does, and return the rows."""
    ids = store(messages)
    return list(SessionMessage.objects.filter(pk__in=ids).order_by("pk"))


def store(
    messages: Sequence[NewMessage],
    states: Mapping[str, State] = NO_STATES,
    last_ids: Mapping[str, str | None] | None = None,
) -> list[str]:
    """Store messages in their order, in one transaction; returns their ids.

    The sessions whose ids `states` has get those values in the same write of their rows.
    `last_ids` are those of the sessions' last messages, where the caller knows them.
    """
    if not messages and not states:
        return []
    with transaction.atomic(savepoint=False):
        if last_ids is None:
            last_ids = _last_ids({message.session_id for message in messages})
        ids = _new_ids(messages, last_ids)
        rows = (
            (
                message_id,
                message.session_id,
                message.provider,
                message.type,
                message.content,
                message.provider_session_id,
                message.token_count,
            )
            for message_id, message in zip(ids, messages, strict=True)
        )
        storage.insert(SessionMessage, COLUMNS, rows, shared={"created_at": timezone.now()})
        _count(messages, +1, states)
        if messages:
            changes.announce(changes.MESSAGES)
    return ids


def is_stored(ids: Sequence[str]) -> bool:
    """Whether the messages of these ids, which one call of `store` gave, are there."""
    return bool(ids) and SessionMessage.objects.filter(pk=ids[0]).exists()


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


def _last_ids(session_ids: Collection[str]) -> dict[str, str | None]:
    return dict(storage.select(LAST_IDS, list(session_ids))) if session_ids else {}


def _new_ids(messages: Sequence[NewMessage], last_ids: Mapping[str, str | None]) -> list[str]:
    last = dict(last_ids)
    ids = []
    for message in messages:
        floor = last.get(message.session_id)
        ids.append(message.id or new_id_after(floor))
        last[message.session_id] = max(ids[-1], floor or "")
    return ids


def _count(
    rows: Iterable[SessionMessage | NewMessage],
    sign: int,
    states: Mapping[str, State] = NO_STATES,
) -> None:
    totals: dict[str, list[int]] = {session_id: [0, 0] for session_id in states}
    for row in rows:
        sums = totals.setdefault(row.session_id, [0, 0])
        sums[0] += sign
        sums[1] += sign * (row.token_count or 0)
    storage.lock(Session, totals)
    now = timezone.now()
    others = [(*sums, now, pk) for pk, sums in totals.items() if pk not in states]
    storage.add(Session, SUMS, ("updated_at",), others)
    changed = [(*totals[pk], *state, now, pk) for pk, state in states.items()]
    storage.add(Session, SUMS, (*State._fields, "updated_at"), changed)
