"""The worker's way to the database: one thread, one connection, off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThread:
    """Runs functions that use the ORM, one after another, in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: _run(function, *args, **kwargs))

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
