""" "Something was committed": wakes workers and live pages within milliseconds.

On PostgreSQL by LISTEN/NOTIFY. On SQLite by an inotify watch on the database's
directory, which sees another process's commit in the write-ahead log about 1 ms
later and costs nothing while idle; `PRAGMA data_version` then says whether it
really was a commit. Beneath both lies a slow poll: a ring that was missed is a
delay and never a loss.
"""

import asyncio
import logging
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from django.db import connection

from sessions_app import bulk

JOBS = "pokecode_jobs"
"""There may be something to run, or to stop."""

RUNS = "pokecode_runs"
"""Runs have begun: nothing that a worker waits for."""

MESSAGES = "pokecode_messages"

SLOW_POLL = 1.0
"""Seconds between looks where a ring could have been missed."""

# The log is written a moment before its commit shows in shared memory, so a
# ring without a new version is looked at again, a little later each time.
SETTLE = (0.0, 0.001, 0.001, 0.001, 0.001, 0.005, 0.02)

logger = logging.getLogger(__name__)


def announce(channel: str) -> None:
    """Inside a transaction: tell listeners once it commits."""
    if connection.vendor == "postgresql":
        bulk.call("pg_notify(%s, '')", channel)


class Bell:
    """Rings when something was committed; one listener's own."""

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
        # The log stands beside the file itself, not beside a link to it.
        watch = partial(_watch_sqlite, Path(str(connection.settings_dict["NAME"])).resolve(), bell)
    task = asyncio.create_task(_poll_without(watch), name="changes")
    try:
        yield bell
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _poll_without(watch: Callable[[], Awaitable[None]]) -> None:
    """A watch that fails is no reason to stop: whoever waits for the bell polls anyway."""
    try:
        await watch()
    except Exception as error:
        logger.warning("Changes are looked for every %g s, not watched: %s", SLOW_POLL, error)


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
                bell.ring()  # what was committed before we listened
                async for _ in link.notifies():
                    bell.ring()
        except psycopg.OperationalError:
            logger.warning("The database connection for notifications was lost: trying again.")
            await asyncio.sleep(SLOW_POLL)


_DJANGO_ONLY = {"cursor_factory", "context", "prepare_threshold", "client_encoding"}


async def _watch_sqlite(path: Path, bell: Bell) -> None:
    version = _VersionReader(path)
    try:
        async for _ in _writes(path):
            for delay in SETTLE:
                if version.changed():
                    bell.ring()
                    break
                await asyncio.sleep(delay)
    finally:
        version.close()


class _VersionReader:
    """`PRAGMA data_version` of a connection of its own: changes with every other commit."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._last = self._read()

    def _read(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def changed(self) -> bool:
        last, self._last = self._last, self._read()
        return last != self._last

    def close(self) -> None:
        self._connection.close()


async def _writes(path: Path) -> AsyncIterator[None]:
    """Yields after each burst of writes to the write-ahead log, or after a slow poll."""
    if sys.platform != "linux":
        while True:
            await asyncio.sleep(SLOW_POLL / 10)
            yield
    log = f"{path.name}-wal"
    from inotify_simple import INotify, flags

    written = asyncio.Event()
    inotify = INotify()

    def on_readable() -> None:
        if any(event.name == log for event in inotify.read(timeout=0)):
            loop.remove_reader(inotify.fileno())  # a burst of a hundred writes is one to us
            written.set()

    loop = asyncio.get_running_loop()
    try:
        inotify.add_watch(path.parent, flags.MODIFY | flags.CREATE)
        while True:
            loop.add_reader(inotify.fileno(), on_readable)
            await _wait(written, SLOW_POLL)
            written.clear()
            yield
    finally:
        loop.remove_reader(inotify.fileno())
        inotify.close()

