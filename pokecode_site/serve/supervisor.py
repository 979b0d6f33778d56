"""The site in this process and the job processor as its child, from one start to one stop."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
from django.conf import settings

from pokecode_site.serve import parent

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
STEADY = 60.0
"""A job processor that has run for so many seconds is able to start: the delays begin anew."""

Say = Callable[[str], None]


class Site(uvicorn.Server):
    """The web server on an open socket; it leaves signals to the supervisor."""

    def __init__(self, listener: socket.socket, on_ready: Callable[[], None]) -> None:
        # Loading it sets up logging; after that, the server logs warnings and errors only.
        from pokecode_site.asgi import application

        super().__init__(
            uvicorn.Config(
                application,
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._listener = listener
        self._on_ready = on_ready

    async def run_until_stopped(self) -> None:
        await self.serve(sockets=[self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        from pokecode_site.pages import live

        live.end_streams()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WorkerProcess:
    """`process_jobs` as a child process: started again when it dies, until it is stopped."""

    def __init__(self, command: Sequence[str], say: Say) -> None:
        self._command = command
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self.was_killed = False

    async def keep_running(self) -> None:
        delay = FIRST_DELAY
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            how = await self._run_once()
            if loop.time() - started >= STEADY:
                delay = FIRST_DELAY
            self._say(f"The job processor {how}: starting it again in {delay:g} s.")
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _run_once(self) -> str:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            # The child reads the end of this pipe when we are gone.
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, parent.ATTACHED: "1"},
            umask=settings.AGENT_UMASK,  # not ours, which is stricter: agents inherit it
            # A terminal's Ctrl-C reaches this process alone, which then stops the child.
            start_new_session=True,
        )
        code = await self._process.wait()
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    async def stop(self, patience: float) -> None:
        """Interrupt what runs and return it to the queue; kill after `patience` seconds."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            parent.ask_to_stop(process.pid)
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            self.was_killed = True
            process.kill()
            await process.wait()


async def supervise(site: Site, worker: WorkerProcess, say: Say, patience: float) -> None:
    """Run both until a signal, then end both; if one fails first, end both and raise its error."""
    serving = asyncio.create_task(site.run_until_stopped(), name="site")
    others = {
        asyncio.create_task(worker.keep_running(), name="job processor"),
        asyncio.create_task(_stop_signal(), name="signal"),
    }
    done, _ = await asyncio.wait({serving, *others}, return_when=asyncio.FIRST_COMPLETED)
    say("Stopping: running prompts go back to the queue and continue at the next start.")
    site.should_exit = True
    for task in others:
        task.cancel()
    await worker.stop(patience)
    await asyncio.gather(serving, *others, return_exceptions=True)
    for task in done:
        task.result()


async def _stop_signal() -> None:
    event = asyncio.Event()
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            asyncio.get_running_loop().add_signal_handler(number, event.set)
    await event.wait()
