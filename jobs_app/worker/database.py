"""The worker's access to the database: one thread, one connection, off the event loop."""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.db.backends.signals import connection_created

SWITCH_INTERVAL = 0.0005
"""Seconds for which the event loop's thread may keep this one waiting (Python's default: 0.005).
With eight busy agents a tenth more is stored per second."""

CACHE_KILOBYTES = 16_000
"""Of SQLite's pages: enough for the ends of the indexes, which is where messages go."""

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThread:
    """Runs functions that use the ORM, one after another, in a thread of its own."""

    def __init__(self, worker_timeout: float) -> None:
        self._idle_limit = int(worker_timeout * 1000)
        connection_created.connect(self._limit_connection)
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: _run(function, *args, **kwargs))

    def _limit_connection(self, connection: Any, **kwargs: Any) -> None:
        """What a worker may use: on PostgreSQL, if frozen inside a transaction, it must not keep
        its locks from its successor; on SQLite it rereads little, so a small cache will do."""
        if connection.vendor == "postgresql":
            statement = f"SET idle_in_transaction_session_timeout = {self._idle_limit}"
        else:
            statement = f"PRAGMA cache_size = -{CACHE_KILOBYTES}"
        with connection.cursor() as cursor:
            cursor.execute(statement)

    def close(self) -> None:
        self._thread.submit(_close).result()
        self._thread.shutdown()


def _run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except (OperationalError, InterfaceError):
        # A cut connection stays unusable until it is closed; a new one opens by itself.
        if not connection.in_atomic_block:
            connection.close()
        raise


def _close() -> None:
    connection.close()  # the thread's own: looked up here, not in the caller's thread
