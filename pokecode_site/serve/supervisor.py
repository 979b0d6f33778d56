"""The site and the job processor as two children, from one start to one stop."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

from django.conf import settings
from django.core.management.base import CommandError

from pokecode_site.serve import parent
from pokecode_site.serve.site import SiteProcess

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
STEADY = 60.0
"""A job processor that has run for so many seconds is able to start: the delays begin anew."""

Say = Callable[[str], None]


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
        return _described(await self._process.wait())

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


async def supervise(site: SiteProcess, worker: WorkerProcess, say: Say, patience: float) -> None:
    """Run both until a signal, then end both; if the site fails, end both and say so."""
    tasks = {
        asyncio.create_task(_watch(site), name="site"),
        asyncio.create_task(worker.keep_running(), name="job processor"),
        asyncio.create_task(_stop_signal(), name="signal"),
    }
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    say("Stopping: running prompts go back to the queue and continue at the next start.")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(site.stop(), worker.stop(patience))
    if site.was_killed:
        say("The site was held up by a request and did not end: it was killed.")
    for task in done:
        task.result()


async def _watch(site: SiteProcess) -> None:
    """Return when the site was stopped by somebody else; raise CommandError if it failed."""
    if code := await site.wait():
        raise CommandError(f"The site {_described(code)}.")


def _described(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


async def _stop_signal() -> None:
    event = asyncio.Event()
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            asyncio.get_running_loop().add_signal_handler(number, event.set)
    await event.wait()
