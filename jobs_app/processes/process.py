"""One run of an agent's tool: read to its end, stopped, and cleaned up after.

The tool is never held back (claude 2.1.197 loses output when its reader is slow),
and nothing that it started outlives its run, however that ends.
"""

import asyncio
import logging
import math
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from jobs_app.processes import tree
from jobs_app.processes.spawning import Spawned
from jobs_app.processes.streams import Inbox, LineSplitter, ReadPipe, Tail, WritePipe

STDERR_LIMIT = 64 * 1024
"""The last bytes of standard error, which are kept."""

CLEANUP_TIMEOUT = 10.0
"""Seconds to end what a run left behind, and then for the end of its output."""

CLEANUP_INTERVAL = 10.0
"""Seconds between looks at what could not be ended in that time, such as another user's process."""

POLL_INTERVAL = 0.05

logger = logging.getLogger(__name__)


class AgentProcess:
    """A tool at work, in the event loop in which it was attached.

    `pid` and `started` (clock ticks since boot; 0 where there is no /proc) identify it.
    """

    def __init__(
        self,
        spawned: Spawned,
        on_line: Callable[[bytes, bool], None],
        line_limit: int,
        backlog_directory: Path,
        grace: float,
    ) -> None:
        self.pid = spawned.process.pid
        self.started = spawned.run.started
        self._process = spawned.process
        self._run = spawned.run
        self._grace = grace
        self._on_line = on_line
        self._lines = LineSplitter(self._hand_on, line_limit)
        self._stderr = Tail(STDERR_LIMIT)
        self._killed_at = math.inf
        self._failure: Exception | None = None
        self._exited = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []
        self._input = WritePipe(spawned.stdin)
        self._inbox = Inbox(_pipe(self._process.stdout), self._lines.feed, backlog_directory)
        errors = ReadPipe(_pipe(self._process.stderr), self._stderr.feed)
        self._outputs = (self._inbox, errors)

    @classmethod
    def attach(
        cls,
        spawned: Spawned,
        on_line: Callable[[bytes, bool], None],
        *,
        line_limit: int,
        backlog_directory: Path,
        grace: float = 5.0,
    ) -> Self:
        """Watch a process that was just started, in the running event loop.

        `on_line(line, cut)` gets each line of standard output, without its newline,
        in the event loop: it must be quick. `cut` says that the line is not whole, such
        as one of more than `line_limit` bytes. Output that has to wait for its turn may
        be kept in a file in `backlog_directory`.
        Its standard input stays empty and open until `write` and `close_input`.
        """
        agent = cls(spawned, on_line, line_limit, backlog_directory, grace)
        agent._watch()
        return agent

    def write(self, data: bytes) -> None:
        """Hand this to the tool on its standard input, after what was written before."""
        self._input.write(data)

    @property
    def is_open(self) -> bool:
        """Whether it lives, and so may read its standard input."""
        return not self._exited.is_set()

    def close_input(self) -> None:
        """End its standard input once all that was written has been taken."""
        self._input.close()

    def stop(self, grace: float | None = None, *, is_asked: bool = False) -> bool:
        """Interrupt the run; terminate it after `grace` seconds, kill it after twice that.

        With `is_asked` the tool has been asked to stop, so it gets no signal before `grace`.

        A later call can only hasten the end. False if it has ended by itself, and so was not
        stopped.
        """
        if self._exited.is_set():
            return self._killed_at < math.inf
        pause = self._grace if grace is None else grace
        loop = asyncio.get_running_loop()
        killed_at = loop.time() + 2 * pause
        if killed_at < self._killed_at:
            self._killed_at = killed_at
            signals = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
            for step, number in list(enumerate(signals))[is_asked:]:
                self._timers.append(loop.call_later(step * pause, self._signal, number))
        return True

    async def wait(self) -> tuple[int, str]:
        """The exit code, negative for a signal, and the end of standard error, once the
        output has been read and nothing of the run is left.

        Raises what `on_line` raised, if anything: the run was then stopped.
        """
        await self._exited.wait()
        await self._rest
        await self._read_rest()
        if self._failure is not None:
            raise self._failure
        return self._process.returncode, self._stderr.text()

    def _watch(self) -> None:
        try:
            handle = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, or no descriptor is free
            self._poll()
        else:
            asyncio.get_running_loop().add_reader(handle, self._on_handle, handle)

    def _on_handle(self, handle: int) -> None:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)
        self._on_exit()

    def _poll(self) -> None:
        if self._process.poll() is None:
            asyncio.get_running_loop().call_later(POLL_INTERVAL, self._poll)
        else:
            self._on_exit()

    def _on_exit(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._signal(signal.SIGKILL)  # what is left of its group; before `reap` frees the id
        tree.reap(self._process)
        self._input.abandon()
        self._rest = asyncio.ensure_future(self._end_rest())  # even while nobody is waiting yet
        self._exited.set()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _hand_on(self, line: bytes, cut: bool) -> None:
        if self._failure is not None:
            return
        try:
            self._on_line(line, cut)
        except Exception as error:
            self._failure = error
            self.stop()

    async def _end_rest(self) -> None:
        """Returns once nothing of the run is left: until then its session may not continue."""
        if tree.has_no_orphans():  # at once, without a thread
            return
        is_logged = False
        while left := await asyncio.to_thread(self._left_behind):
            if not is_logged:
                logger.error("Attempt %s stays open: %s", self._run.run_id, left)
                is_logged = True
            await asyncio.sleep(CLEANUP_INTERVAL)

    def _left_behind(self) -> tree.StillAlive | None:
        """None once all that the run left behind has been ended."""
        try:
            tree.end_run(self._run, CLEANUP_TIMEOUT)
        except tree.StillAlive as error:
            return error
        return None

    async def _read_rest(self) -> None:
        await self._inbox.has_room()  # what has arrived so far may take its time
        try:
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                for output in self._outputs:
                    await output.closed.wait()
        except TimeoutError:
            logger.warning(
                "Attempt %s: its output was left open by another process.", self._run.run_id
            )
        for output in self._outputs:
            output.close()
        await self._inbox.emptied()
        self._lines.finish()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - each was asked for
    return pipe
