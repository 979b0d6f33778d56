""" "Something was committed": wakes workers and live pages within milliseconds.

On PostgreSQL by LISTEN/NOTIFY. On SQLite by inotify watches on the database's
directory, which cost nothing while idle: whoever has announced a commit touches the
write-ahead log once it is done; and what others commit is seen by its writes to
the log, about 1 ms later, when `PRAGMA data_version` says that it really was a
commit. Beneath it all is a slow poll: a missed ring is a delay and never a loss.

From outside: `announce`, and `listen`, which gives a `Bell`, with the channels.
"""

import asyncio
import logging
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connection, transaction

from sessions_app.storage import Batch

if TYPE_CHECKING:
    from inotify_simple import INotify

JOBS = "pokecode_jobs"
"""There may be something to run, or to stop."""

RUNS = "pokecode_runs"
"""Attempts have begun: nothing that a worker waits for."""

MESSAGES = "pokecode_messages"

SLOW_POLL = 1.0
"""Seconds between looks where a ring could have been missed."""

# The log is written a moment before its commit shows in shared memory, so a
# ring without a new version is looked at again: usually the disk takes a few ms.
LOOK_DELAYS = (0.0, 0.0, 0.001, 0.001, 0.001, 0.001, 0.005, 0.02)
"""Seconds before each of these looks."""

logger = logging.getLogger(__name__)


def announce(channel: str, batch: Batch | None = None) -> None:
    """Inside a transaction: tell listeners once it commits, through the batch if there is one."""
    if connection.vendor == "sqlite":
        transaction.on_commit(_touch_log)
    elif batch is not None:
        batch.notify(channel)
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [channel])


def _touch_log() -> None:
    with suppress(OSError):  # a database in memory has none
        os.utime(_log(_sqlite_name()))


def _sqlite_name() -> str:
    return str(connection.settings_dict["NAME"])


@cache
def _log(database: str) -> Path:
    """SQLite's write-ahead log: beside the file itself, not beside a link to it."""
    path = Path(database).resolve()
    return path.with_name(f"{path.name}-wal")


class Bell:
    """Rings when something was committed; each listener has its own."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout: float = SLOW_POLL) -> bool:
        """Wait for a ring or `timeout` seconds; True for a ring. Clears it."""
        await _wait(self._rung, timeout)
        rung = self._rung.is_set()
        self._rung.clear()
        return rung


async def _wait(event: asyncio.Event, timeout: float) -> None:
    """Wait for the event or `timeout` seconds."""
    # Not wait_for: in Python 3.11 it loses a cancellation that comes with the event.
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()


@asynccontextmanager
async def listen(*channels: str) -> AsyncIterator[Bell]:
    """A bell for these channels (on SQLite any commit rings it) while the block runs."""
    bell = Bell()
    if connection.vendor == "postgresql":
        watch = partial(_listen_postgresql, channels, bell)
    else:
        watch = partial(_watch_sqlite, _sqlite_name(), bell)
    task = asyncio.create_task(_poll_without(watch), name="changes")
    try:
        yield bell
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _poll_without(watch: Callable[[], Awaitable[None]]) -> None:
    """A watch that fails is not a reason to stop: whoever waits for the bell polls anyway."""
    try:
        await watch()
    except Exception as error:
        logger.warning(
            "Changes cannot be watched, so they are looked for every %g s: %s", SLOW_POLL, error
        )


async def _listen_postgresql(channels: tuple[str, ...], bell: Bell) -> None:
    import psycopg
    from psycopg import sql

    parameters = connection.get_connection_params()
    options = {key: parameters[key] for key in parameters if key not in _DJANGO_ONLY}
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**options, autocommit=True) as link:
                for channel in channels:
                    await link.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                bell.ring()  # what was committed before we were listening
                async for _ in link.notifies():
                    bell.ring()
        except psycopg.OperationalError:
            logger.warning("The database connection for notifications was lost: trying again.")
            await asyncio.sleep(SLOW_POLL)


_DJANGO_ONLY = {"cursor_factory", "context", "prepare_threshold", "client_encoding"}


async def _watch_sqlite(database: str, bell: Bell) -> None:
    version = _VersionReader(database)

    def look() -> bool:
        if changed := version.changed():
            bell.ring()
        return changed

    def on_touch() -> None:
        with suppress(sqlite3.Error):  # the look after the writes meets the same error, and says so
            look()

    try:
        with _touches(_log(database), on_touch):
            async for _ in _writes(_log(database)):
                for delay in LOOK_DELAYS:
                    await asyncio.sleep(delay)
                    if look():
                        break
    finally:
        version.close()


class _VersionReader:
    """`PRAGMA data_version` of a connection of its own: changes with every other commit."""

    def __init__(self, database: str) -> None:
        self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._last = self._read()

    def _read(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def changed(self) -> bool:
        last, self._last = self._last, self._read()
        return last != self._last

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _touches(log: Path, on_touch: Callable[[], None]) -> Iterator[None]:
    """Calls `on_touch` whenever the log is touched, while the block runs."""
    if sys.platform != "linux":
        yield
        return
    from inotify_simple import flags

    with _events(log.parent, flags.ATTRIB) as events:

        def on_readable() -> None:
            if _names(events, log):
                on_touch()

        loop = asyncio.get_running_loop()
        loop.add_reader(events, on_readable)
        try:
            yield
        finally:
            loop.remove_reader(events)


async def _writes(log: Path) -> AsyncIterator[None]:
    """Yields after each burst of writes to the log, or after a slow poll."""
    if sys.platform != "linux":
        while True:
            await asyncio.sleep(SLOW_POLL / 10)
            yield
    from inotify_simple import flags

    written = asyncio.Event()
    with _events(log.parent, flags.MODIFY | flags.CREATE) as events:

        def on_readable() -> None:
            if _names(events, log):
                loop.remove_reader(events)  # a burst of a hundred writes counts as one
                written.set()

        loop = asyncio.get_running_loop()
        try:
            while True:
                loop.add_reader(events, on_readable)
                await _wait(written, SLOW_POLL)
                written.clear()
                yield
        finally:
            loop.remove_reader(events)


@contextmanager
def _events(directory: Path, kinds: int) -> Iterator["INotify"]:
    from inotify_simple import INotify

    with INotify() as events:
        events.add_watch(directory, kinds)
        yield events


def _names(events: "INotify", log: Path) -> bool:
    """Whether one of the events that have arrived is the log's."""
    return any(event.name == log.name for event in events.read(timeout=0))
