"""One writer for all runs of a worker: what they produce is committed in groups.

A run never waits for the database: its lines go into a buffer, and whatever
came while one group was being committed is the next group. A database that is
locked, full or away only delays the groups; they are tried again until they
are stored.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError

from jobs_app import queue
from jobs_app.leases import Ending, Entry, Start
from jobs_app.models import JobAttempt
from jobs_app.processes.backlog import Backlog
from jobs_app.worker.database import DatabaseThread
from jobs_app.worker.entries import EntryForm
from sessions_app.transcript import NewMessage

GROUP_INTERVAL = 0.01
"""Seconds between groups: lines that come close together share a commit."""

END_INTERVAL = 0.001
"""Seconds that the end of a run waits for other ends."""

GROUP_LIMIT = 2000
MEMORY_LIMIT = 24 * 1024 * 1024
"""Characters of messages that are kept in memory before more go to a file."""

RETRY_DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0)

logger = logging.getLogger(__name__)


STOPPED = "A run's start or end cannot be stored: the recorder stopped."


class RecorderStopped(Exception):
    """The recorder ended before the runs did; their attempts stay open and are rescued."""


class Recorder:
    """Call its methods in the event loop; `run` is the task that commits."""

    def __init__(self, database: DatabaseThread, on_lease_lost: Callable[[str], None]) -> None:
        self._database = database
        self._on_lease_lost = on_lease_lost
        self._backlog = Backlog(Path(settings.POKECODE_DATA_DIR), EntryForm(), MEMORY_LIMIT)
        self._waiting_for: dict[str, asyncio.Future[bool]] = {}
        self._is_stopped = False
        self._waiting = asyncio.Event()
        self._urgent = asyncio.Event()

    def add(self, attempt: JobAttempt, message: NewMessage) -> None:
        """Store this message soon; dropped if the attempt's lease has moved."""
        self._put(Entry(attempt, message))

    async def start(self, start: Start) -> bool:
        """Note the run's process; False if its lease had moved."""
        return await self._stored(Entry(start.attempt, start))

    async def end(self, ending: Ending) -> bool:
        """Close the run behind all that was added before; False if its lease had moved."""
        return await self._stored(Entry(ending.attempt, ending))

    async def _stored(self, entry: Entry) -> bool:
        if self._is_stopped:
            raise RecorderStopped(STOPPED)
        stored = asyncio.get_running_loop().create_future()
        self._waiting_for[entry.attempt.pk] = stored
        self._put(entry)
        self._urgent.set()
        return await stored

    def _put(self, entry: Entry) -> None:
        self._backlog.append(entry)
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

    def _next_group(self) -> list[Entry]:
        group = self._backlog.take(GROUP_LIMIT)
        if not self._backlog:
            self._waiting.clear()
            self._urgent.clear()
        return group

    async def _store(self, group: Sequence[Entry]) -> None:
        receipt: list[str] = []
        for delay in _delays():
            try:
                held = await self._database(queue.record, group, receipt)
            except (OperationalError, InterfaceError) as error:
                logger.warning("Storing output failed (%s): trying again.", _first_line(error))
                await asyncio.sleep(delay)
            except Exception as error:
                await self._store_apart(group, error)
                return
            else:
                self._tell(group, held)
                return

    async def _store_apart(self, group: Sequence[Entry], error: Exception) -> None:
        """One entry spoils the group: store each by itself, so that its neighbours stay."""
        if len(group) > 1:
            for entry in group:
                await self._store([entry])
            return
        (entry,) = group
        name, reason = type(error).__name__, _first_line(error)
        logger.error("An entry of attempt %s is not stored: %s: %s", entry.attempt.pk, name, reason)
        if not isinstance(entry.item, NewMessage):
            self._waiting_for.pop(entry.attempt.pk).set_exception(error)

    def _tell(self, group: Sequence[Entry], held: set[str]) -> None:
        for attempt_id in {entry.attempt.id for entry in group} - held:
            self._on_lease_lost(attempt_id)
        for entry in group:
            if not isinstance(entry.item, NewMessage):
                self._waiting_for.pop(entry.attempt.pk).set_result(entry.attempt.pk in held)


def _delays() -> Iterator[float]:
    yield from RETRY_DELAYS
    while True:
        yield RETRY_DELAYS[-1]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
