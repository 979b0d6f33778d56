"""A thread for what may hang on a project's disk: a mount that has gone, a pipe, a slow share."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

PATIENCE = 0.05
"""Seconds that a call may take before another thread goes on with those that wait."""

T = TypeVar("T")


@dataclass(slots=True)
class _Call:
    work: Callable[[], None]
    result: "asyncio.Future[Any]"
    thread: threading.Thread | None = None


class ProjectThread:
    """Runs functions one after another; one that hangs holds up no other.

    One thread, because threads of one program take turns: with a thread for each call a worker
    ended two thirds as many short runs a second. One that hangs is left to itself, and does not
    keep this program from ending.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(
        self, function: Callable[[], T], discard: Callable[[T], None] | None = None
    ) -> "asyncio.Future[T]":
        """What the function returns or raises, later.

        Whoever has waited long enough cancels the future: what the function returns after that
        is given to `discard`, in the event loop.
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

        call = _Call(work, future)
        self._calls.put(call)
        if self._thread is None:
            self._begin()
        loop.call_later(PATIENCE, self._watch, call)
        return future

    def close(self) -> None:
        self._calls.put(None)

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._serve, name="project", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        me = threading.current_thread()
        while self._thread is me and (call := self._calls.get()):
            call.thread = me
            call.work()

    def _watch(self, call: _Call) -> None:
        """Let another thread go on if this call hangs; look again while it has not begun."""
        if call.thread is None:
            asyncio.get_running_loop().call_later(PATIENCE, self._watch, call)
        elif call.thread is self._thread and not call.result.done():
            self._begin()
