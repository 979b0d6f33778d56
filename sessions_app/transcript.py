"""The only writer of messages and of their counters, and the reader of pages.

Every change of a message goes through here, in one transaction with the
session's `message_count` and `token_count`, so the counters are always right.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from sessions_app import changes
from sessions_app.ids import new_id_after
from sessions_app.models import Session, SessionMessage
from sessions_app.storage import Batch, lock, select_among

COLUMNS = (
    "id",
    "session_id",
    "provider",
    "type",
    "content_data",
    "provider_session_id",
    "token_count",
    "created_at",
)

SUMS = ("message_count", "token_count")

# Pages read on from the last id that they have seen, so the ids of a session must appear in
# their order: whoever makes one locks the session until the commit. (On SQLite there is one
# writer.) A look at the end of each session's index: a GROUP BY would read all of it.
LAST_IDS = {
    "sqlite": """
SELECT session.id, (
    SELECT MAX(message.id) FROM session_messages AS message WHERE message.session_id = session.id
)
FROM sessions AS session WHERE session.id IN {keys}
""",
    "postgresql": """
SELECT session.id, (
    SELECT MAX(message.id) FROM session_messages AS message WHERE message.session_id = session.id
)
FROM sessions AS session WHERE session.id IN {keys} ORDER BY session.id FOR NO KEY UPDATE
""",
}


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
    """Store messages in the given order, in one transaction, and return the rows."""
    with transaction.atomic(savepoint=False):
        batch = Batch()
        ids = store(messages, batch)
        batch.write()
    return list(SessionMessage.objects.filter(pk__in=ids).order_by("pk"))


def store(
    messages: Sequence[NewMessage], batch: Batch, states: Mapping[str, State] = NO_STATES
) -> list[str]:
    """Put messages, in the given order, and their sessions' counters into a batch, whose
    transaction the caller has begun; returns their ids.

    Sessions whose ids are in `states` get those values in the same write of their rows.
    """
    ids = _new_ids(messages, states)
    batch.insert(SessionMessage, COLUMNS, _rows(ids, messages))
    _count(messages, +1, batch, states)
    if messages:
        changes.announce(changes.MESSAGES, batch)
    return ids


def is_stored(ids: Sequence[str]) -> bool:
    """Whether the messages with these ids, which one call of `store` returned, are there."""
    return bool(ids) and SessionMessage.objects.filter(pk=ids[0]).exists()


def edit(message: SessionMessage) -> None:
    """Save a changed message; its session's token count follows."""
    with transaction.atomic():
        stored = SessionMessage.objects.select_for_update().get(pk=message.pk)
        message.save()
        _count_now([stored], -1)
        _count_now([message], +1)
        changes.announce(changes.MESSAGES)


def remove(messages: Iterable[SessionMessage]) -> int:
    """Delete messages; the counters follow. Returns how many there were."""
    with transaction.atomic():
        ids = [message.pk for message in messages]
        stored = list(SessionMessage.objects.select_for_update().filter(pk__in=ids))
        _count_now(stored, -1)
        deleted, _ = SessionMessage.objects.filter(pk__in=[row.pk for row in stored]).delete()
        changes.announce(changes.MESSAGES)
    return deleted


def after(session_id: str, cursor: str = "", limit: int = 500) -> list[SessionMessage]:
    """The next messages after the message id `cursor`, oldest first."""
    rows = SessionMessage.objects.filter(session_id=session_id, pk__gt=cursor)
    return list(rows.order_by("pk")[:limit])


def _rows(ids: Sequence[str], messages: Sequence[NewMessage]) -> Iterator[Sequence[Any]]:
    now = timezone.now()
    for message_id, message in zip(ids, messages, strict=True):
        yield (
            message_id,
            message.session_id,
            message.provider,
            message.type,
            message.content,
            message.provider_session_id,
            message.token_count,
            now,
        )


def _new_ids(messages: Sequence[NewMessage], others: Iterable[str]) -> list[str]:
    """Ids that sort after the last one of each message's session, whose rows are now locked,
    together with those of the other sessions."""
    sessions = sorted({message.session_id for message in messages}.union(others))
    last = dict(select_among(LAST_IDS[connection.vendor], sessions)) if sessions else {}
    ids = []
    for message in messages:
        floor = last.get(message.session_id)
        ids.append(message.id or new_id_after(floor))
        last[message.session_id] = max(ids[-1], floor or "")
    return ids


def _count_now(rows: Sequence[SessionMessage], sign: int) -> None:
    lock(Session.objects.filter(pk__in={row.session_id for row in rows}))
    batch = Batch()
    _count(rows, sign, batch)
    batch.write()


def _count(
    rows: Iterable[SessionMessage | NewMessage],
    sign: int,
    batch: Batch,
    states: Mapping[str, State] = NO_STATES,
) -> None:
    totals: dict[str, list[int]] = {session_id: [0, 0] for session_id in states}
    for row in rows:
        sums = totals.setdefault(row.session_id, [0, 0])
        sums[0] += sign
        sums[1] += sign * (row.token_count or 0)
    now = timezone.now()
    others = [(*sums, now, pk) for pk, sums in totals.items() if pk not in states]
    batch.update(Session, ("updated_at",), others, added=SUMS)
    changed = [(*totals[pk], *state, now, pk) for pk, state in states.items()]
    batch.update(Session, (*State._fields, "updated_at"), changed, added=SUMS)
