"""One run of an agent's tool: started, read to its end, stopped, and cleaned up after.

The tool is never held back (claude 2.1.197 loses output when its reader is slow),
and nothing that it started outlives its run, whatever way that ends.
"""

import asyncio
import fcntl
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from django.conf import settings

from jobs_app.agents.base import Exit, Launch
from jobs_app.processes import tree
from jobs_app.processes.streams import Inbox, LineSplitter, ReadPipe, Tail, WritePipe

STDERR_LIMIT = 64 * 1024
"""Bytes of standard error that are kept, the last ones."""

CLEANUP_TIMEOUT = 10.0
"""Seconds to end what a run left behind, and then for the end of its output."""

CLEANUP_INTERVAL = 10.0
"""Seconds between looks at what could not be ended in that time, such as another user's process."""

POLL_INTERVAL = 0.05

logger = logging.getLogger(__name__)


class AgentProcess:
    """A tool at work, in the event loop that `start` was called in.

    `pid` and `started` (clock ticks since boot; 0 where there is no /proc) identify it.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        run: tree.Run,
        on_line: Callable[[bytes, bool], None],
        grace: float,
    ) -> None:
        self.pid = process.pid
        self.started = run.started
        self._process = process
        self._run = run
        self._grace = grace
        self._on_line = on_line
        self._lines = LineSplitter(self._hand_on)
        self._stderr = Tail(STDERR_LIMIT)
        self._stop_reason: str | None = None
        self._killed_at = float("inf")
        self._failure: Exception | None = None
        self._exited = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []

    @classmethod
    async def start(
        cls,
        launch: Launch,
        directory: int,
        on_line: Callable[[bytes, bool], None],
        *,
        run_id: str,
        grace: float = 5.0,
        timeout: float | None = None,
        hold_input: bool = False,
    ) -> Self:
        """Start the tool in the directory of that open descriptor.

        `on_line(line, cut)` gets each line of standard output, without its newline,
        in the event loop: it must be quick. `cut` says that the line is not whole.
        With `hold_input` its standard input stays empty and open until `send_input`.
        After `timeout` seconds the run is stopped. Raises OSError if it cannot start.
        """
        process, run = tree.spawn(run_id, lambda: _popen(launch, directory))
        agent = cls(process, run, on_line, grace)
        agent._watch(launch.stdin, hold=hold_input)
        if timeout is not None:
            agent._later(timeout, agent.stop, "timeout")
        return agent

    def send_input(self) -> None:
        """Hand over the standard input that was held."""
        self._input.start()

    def stop(self, reason: str, grace: float | None = None) -> None:
        """Interrupt the run; terminate it after `grace` seconds, kill it after twice that.

        The first reason stays, and a later call can only hasten the end; a run that
        has ended by itself was not stopped.
        """
        if self._exited.is_set():
            return
        self._stop_reason = self._stop_reason or reason
        pause = self._grace if grace is None else grace
        killed_at = asyncio.get_running_loop().time() + 2 * pause
        if killed_at >= self._killed_at:
            return
        self._killed_at = killed_at
        for step, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGKILL)):
            self._later(step * pause, self._signal, number)

    async def wait(self) -> Exit:
        """How the tool ended, once its output was read and nothing of the run is left.

        Raises what `on_line` raised, if it did: the run was stopped then.
        """
        await self._exited.wait()
        await self._rest
        await self._read_rest()
        if self._failure is not None:
            raise self._failure
        return Exit(self._process.returncode, self._stderr.text(), self._stop_reason)

    def _watch(self, stdin: bytes, *, hold: bool) -> None:
        process = self._process
        self._input = WritePipe(_pipe(process.stdin), stdin)
        if not hold:
            self._input.start()
        directory = Path(settings.POKECODE_DATA_DIR)
        self._inbox = Inbox(_pipe(process.stdout), self._lines.feed, directory)
        self._outputs = (self._inbox, ReadPipe(_pipe(process.stderr), self._stderr.feed))
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
        self._input.close()
        self._rest = asyncio.ensure_future(self._end_rest())  # also while nobody waits yet
        self._exited.set()

    def _later(self, delay: float, action: Callable[..., None], *arguments: object) -> None:
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(delay, action, *arguments))

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
            self.stop("failed")

    async def _end_rest(self) -> None:
        """Returns when nothing of the run is left: before that its session may not go on."""
        if tree.has_no_orphans():  # at once, without a thread
            return
        is_told = False
        while left := await asyncio.to_thread(self._left_behind):
            if not is_told:
                logger.error("Run %s stays open: %s", self._run.run_id, left)
                is_told = True
            await asyncio.sleep(CLEANUP_INTERVAL)

    def _left_behind(self) -> tree.StillAlive | None:
        """None once all that the run left behind has been ended."""
        try:
            tree.end_run(self._run, CLEANUP_TIMEOUT)
        except tree.StillAlive as error:
            return error
        return None

    async def _read_rest(self) -> None:
        await self._inbox.has_room()  # what has come so far takes the time that it takes
        try:
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                for output in self._outputs:
                    await output.closed.wait()
        except TimeoutError:
            logger.warning("Run %s: its output was left open by another process.", self._run.run_id)
        for output in self._outputs:
            output.close()
        await self._inbox.emptied()
        self._lines.finish()


def _popen(launch: Launch, directory: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        launch.argv,
        env=launch.environment,
        cwd=_path(directory),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
        umask=settings.AGENT_UMASK,  # what agents write belongs to the project, not to us
    )


def _path(directory: int) -> str:
    """A path that means the open directory, whatever its name means by now."""
    if sys.platform == "darwin":
        return os.fsdecode(fcntl.fcntl(directory, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return f"/proc/self/fd/{directory}"


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - each was asked for
    return pipe
