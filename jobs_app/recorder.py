"""One writer for all runs of a worker: what they produce is committed in groups.

A run never waits for the database: its lines go into a buffer, and whatever
came while one group was being committed is the next group. A database that is
locked, full or away only delays the groups; they are tried again until they
are stored.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from jobs_app import queue
from jobs_app.database import DatabaseThread
from jobs_app.models import JobAttempt
from sessions_app import transcript
from sessions_app.transcript import NewMessage

GROUP_INTERVAL = 0.01
"""Seconds between groups: lines that come close together share a commit."""

GROUP_LIMIT = 2000
RETRY_DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Entry:
    """A message, or an action that closes or changes the attempt; `done` gets its result."""

    attempt: JobAttempt
    message: NewMessage | None = None
    action: Callable[[], Any] | None = None
    done: asyncio.Future[Any] | None = None


class Recorder:
    """Call `add` and `write` in the event loop; `run` is the task that commits."""

    def __init__(self, database: DatabaseThread, on_lease_lost: Callable[[str], None]) -> None:
        self._database = database
        self._on_lease_lost = on_lease_lost
        self._entries: deque[Entry] = deque()
        self._waiting = asyncio.Event()
        self._urgent = asyncio.Event()

    def add(self, attempt: JobAttempt, message: NewMessage) -> None:
        """Store this message soon; dropped if the attempt's lease has moved."""
        self._put(Entry(attempt, message=message))

    async def write(self, attempt: JobAttempt, action: Callable[[], Any]) -> Any:
        """Run `action` behind all that was added before, and return its result."""
        done = asyncio.get_running_loop().create_future()
        self._put(Entry(attempt, action=action, done=done))
        self._urgent.set()
        return await done

    def _put(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._waiting.set()

    async def run(self) -> None:
        while True:
            await self._waiting.wait()
            group = self._next_group()
            lost = await self._store(group)
            for attempt_id in lost:
                self._on_lease_lost(attempt_id)
            await self._pause()

    async def _pause(self) -> None:
        """Let lines that come close together share a commit; an action does not wait."""
        # Not wait_for: in Python 3.11 it loses a cancellation that comes with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(GROUP_INTERVAL):
                await self._urgent.wait()

    def _next_group(self) -> list[Entry]:
        group = [self._entries.popleft() for _ in range(min(len(self._entries), GROUP_LIMIT))]
        if not self._entries:
            self._waiting.clear()
            self._urgent.clear()
        return group

    async def _store(self, group: list[Entry]) -> set[str]:
        for delay in _delays():
            try:
                lost, results = await self._database(_commit, group)
            except (OperationalError, InterfaceError) as error:
                logger.warning("Storing output failed (%s): trying again.", _first_line(error))
                await asyncio.sleep(delay)
            except Exception as error:
                return await self._store_apart(group, error)
            else:
                _resolve(group, results)
                return lost
        raise AssertionError("unreachable: the delays never end")

    async def _store_apart(self, group: list[Entry], error: Exception) -> set[str]:
        """One entry spoils the group: store each by itself, so that its neighbours stay."""
        if len(group) > 1:
            lost: set[str] = set()
            for entry in group:
                lost |= await self._store([entry])
            return lost
        entry = group[0]
        logger.error("An entry of attempt %s cannot be stored: %r", entry.attempt.pk, error)
        if entry.done is not None and not entry.done.done():
            entry.done.set_exception(error)
            return set()
        return {entry.attempt.pk} if not isinstance(error, DatabaseError) else set()


def _commit(group: list[Entry]) -> tuple[set[str], list[Any]]:
    """Store a group in one transaction; returns lost attempts and the actions' results."""
    with transaction.atomic():
        attempts = {entry.attempt.pk: entry.attempt for entry in group if entry.message}
        held = queue.held(attempts.values()) if attempts else set()
        transcript.append([e.message for e in group if e.message and e.attempt.pk in held])
        results = [entry.action() for entry in group if entry.action]
    return set(attempts) - held, results


def _resolve(group: list[Entry], results: list[Any]) -> None:
    actions = [entry for entry in group if entry.action]
    for entry, result in zip(actions, results, strict=True):
        if entry.done is not None and not entry.done.done():
            entry.done.set_result(result)


def _delays() -> Any:
    yield from RETRY_DELAYS
    while True:
        yield RETRY_DELAYS[-1]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
