"""One writer for all attempts of a worker: what they produce is committed in groups.

An agent never waits for the database: its lines go into a buffer, and whatever
came while one group was being committed is the next group. A database that is
locked, full or away only delays the groups; they are tried again until they
are stored.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path

from django.db import InterfaceError, OperationalError

from jobs_app import leases
from jobs_app.leases import Ending, Record, Start
from jobs_app.models import JobAttempt
from jobs_app.processes.backlog import Backlog
from jobs_app.talk import Asking, Drafting, Talk
from jobs_app.worker.database import DatabaseThread
from sessions_app.transcript import NewMessage

GROUP_INTERVAL = 0.01
"""Seconds between groups: lines that come close together share a commit."""

END_INTERVAL = 0.001
"""Seconds that the end of an attempt waits for other ends."""

GROUP_LIMIT = 2000
MEMORY_LIMIT = 24 * 1024 * 1024
"""Characters of messages that are kept in memory before more go to a file."""

RETRY_DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0)

logger = logging.getLogger(__name__)


STOPPED = "An attempt's start or end could not be stored, because the recorder has stopped."


class RecorderStopped(Exception):
    """The recorder ended before the attempts did; they stay open and are rescued."""


class Recorder:
    """Call its methods in the event loop; `run` is the task that commits."""

    def __init__(
        self, database: DatabaseThread, directory: Path, on_lease_lost: Callable[[str], None]
    ) -> None:
        self._database = database
        self._on_lease_lost = on_lease_lost
        self._backlog = Backlog(directory, RecordForm(), MEMORY_LIMIT)
        self._drafts: dict[str, Record] = {}
        self._waiting_for: dict[int, asyncio.Future[bool]] = {}
        self._is_stopped = False
        self._waiting = asyncio.Event()
        self._urgent = asyncio.Event()

    def add(self, attempt: JobAttempt, message: NewMessage) -> None:
        """Store this message soon; it is dropped if the attempt has lost its lease."""
        self._put(Record(attempt, message))

    def note(self, attempt: JobAttempt, item: Talk) -> None:
        """Store this soon, as `add` does."""
        self._put(Record(attempt, item))

    def draft(self, attempt: JobAttempt, draft: Drafting, *, is_first: bool) -> None:
        """Store this with what was added before, unless a newer one comes until then; the first
        words of an answer are waited for."""
        self._drafts[attempt.pk] = Record(attempt, draft)
        self._waiting.set()
        if is_first:
            self._urgent.set()

    async def stored(self, attempt: JobAttempt, item: Talk) -> bool:
        """Store this before all that comes later; False if the attempt had lost its lease."""
        return await self._stored(Record(attempt, item))

    async def start(self, attempt: JobAttempt, start: Start) -> bool:
        """Note the attempt's process; False if it had lost its lease."""
        return await self._stored(Record(attempt, start))

    async def end(self, attempt: JobAttempt, ending: Ending) -> bool:
        """Close the attempt after all that was added before; False if it had lost its lease."""
        return await self._stored(Record(attempt, ending))

    async def _stored(self, record: Record) -> bool:
        if self._is_stopped:
            raise RecorderStopped(STOPPED)
        stored = asyncio.get_running_loop().create_future()
        self._waiting_for[id(record.item)] = stored
        self._put(record)
        self._urgent.set()
        return await stored

    def _put(self, record: Record) -> None:
        self._backlog.append(record)
        self._waiting.set()

    async def run(self) -> None:
        try:
            while True:
                await self._waiting.wait()
                await self._gather()
                await self._store(self._next_group())
        finally:
            self._is_stopped = True
            self._backlog.close()
            for stored in self._waiting_for.values():
                stored.set_exception(RecorderStopped(STOPPED))

    async def _gather(self) -> None:
        """Let what comes close together share a commit; ends wait less than lines."""
        # Not wait_for: in Python 3.11 it loses a cancellation that comes with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(GROUP_INTERVAL):
                await self._urgent.wait()
                await asyncio.sleep(END_INTERVAL)

    def _next_group(self) -> list[Record]:
        group = self._backlog.take(GROUP_LIMIT)
        if not self._backlog:
            group += self._drafts.values()
            self._drafts.clear()
            self._waiting.clear()
            self._urgent.clear()
        return group

    async def _store(self, group: Sequence[Record]) -> None:
        receipt: list[str] = []
        for delay in _delays():
            try:
                held = await self._database(leases.record, group, receipt)
            except (OperationalError, InterfaceError) as error:
                logger.warning("Storing output failed (%s): trying again.", _first_line(error))
                await asyncio.sleep(delay)
            except Exception as error:
                await self._store_apart(group, error)
                return
            else:
                self._answer(group, held)
                return

    async def _store_apart(self, group: Sequence[Record], error: Exception) -> None:
        """One record spoils the group: store each by itself, so that its neighbours are kept."""
        if len(group) > 1:
            for record in group:
                await self._store([record])
            return
        (record,) = group
        name, reason = type(error).__name__, _first_line(error)
        logger.error(
            "A record of attempt %s could not be stored: %s: %s", record.attempt.pk, name, reason
        )
        if (stored := self._waiting_for.pop(id(record.item), None)) is not None:
            stored.set_exception(error)

    def _answer(self, group: Sequence[Record], held: set[str]) -> None:
        for attempt_id in {record.attempt.id for record in group} - held:
            self._on_lease_lost(attempt_id)
        for record in group:
            if (stored := self._waiting_for.pop(id(record.item), None)) is not None:
                stored.set_result(record.attempt.pk in held)


class RecordForm:
    """Messages as JSON, the few other records by number. See processes.backlog.Form."""

    def __init__(self) -> None:
        self._attempts: dict[str, JobAttempt] = {}
        self._messages: Counter[str] = Counter()
        self._others: dict[int, Record] = {}
        self._numbered = 0

    def size(self, record: Record) -> int:
        match record.item:
            case NewMessage(content=content):
                return len(content)
            case Asking(request):
                return len(request.content_data) + len(request.call_data or "")
        return 0

    def write(self, record: Record) -> bytes:
        if isinstance(record.item, NewMessage):
            self._attempts[record.attempt.pk] = record.attempt
            self._messages[record.attempt.pk] += 1
            return json.dumps([record.attempt.pk, *astuple(record.item)]).encode()
        self._numbered += 1
        self._others[self._numbered] = record
        return json.dumps([self._numbered]).encode()

    def read(self, data: bytes) -> Record:
        first, *message = json.loads(data)
        if not message:
            return self._others.pop(first)
        record = Record(self._attempts[first], NewMessage(*message))
        self._messages[first] -= 1
        if not self._messages[first]:
            del self._messages[first], self._attempts[first]
        return record


def _delays() -> Iterator[float]:
    yield from RETRY_DELAYS
    while True:
        yield RETRY_DELAYS[-1]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
