"""Threads for what may hang on a project's disk: a mount that has gone, a pipe, a slow share."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def in_own_thread(
    function: Callable[[], T], discard: Callable[[T], None] | None = None
) -> "asyncio.Future[T]":
    """What the function returns or raises, from a thread of its own.

    Not from a pool, whose threads could all hang; and a thread that hangs does not keep this
    program from ending. Whoever has waited long enough cancels the future: what the function
    returns later is given to `discard`, in the event loop.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def finish(result: Any, error: BaseException | None) -> None:
        if not future.done():
            future.set_exception(error) if error else future.set_result(result)
        elif error is None and discard is not None:
            discard(result)

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except Exception as caught:
            error = caught
        with suppress(RuntimeError):  # the loop is closed: nobody is waiting any more
            loop.call_soon_threadsafe(finish, result, error)

    threading.Thread(target=work, name="project", daemon=True).start()
    return future
