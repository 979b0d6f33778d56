"""The job processor: claims jobs into slots, and stops."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from jobs_app.claiming import Claim
from jobs_app.models import Worker
from jobs_app.outcomes import INTERRUPTED, LOST, Verdict
from jobs_app.processes import tree
from jobs_app.worker.database import DatabaseThread
from jobs_app.worker.looking import Look, look
from jobs_app.worker.recorder import Recorder
from jobs_app.worker.run import Run
from jobs_app.worker.settings import WorkerSettings
from jobs_app.worker.threads import ProjectThread
from jobs_app.worker.upkeep import Upkeep, new_worker
from sessions_app import changes

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
LINGER = 0.002
"""Seconds from a ring to the look while agents run: so that jobs ending together are
replaced by one claim."""

CLAIM_LIMIT = 50
"""Jobs per claim: they start while the next are claimed."""

logger = logging.getLogger(__name__)


class WorkerFailed(Exception):
    """A side task of the worker died; its running jobs were stopped and given back."""


class JobProcessor:
    """One process, many agents at once. `run` returns when it has drained or was stopped."""

    def __init__(self, concurrency: int, *, until_empty: bool = False) -> None:
        self._settings = WorkerSettings.read()
        self._row: Worker = new_worker(self._settings.version, concurrency)
        self._concurrency = concurrency
        self._until_empty = until_empty
        self._is_draining = self._is_interrupting = False
        self._queue_is_empty = False
        self._failure: BaseException | None = None
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._database = DatabaseThread(self._settings.worker_timeout)
        # PostgreSQL allows several writers: claims and heartbeats do not wait for agents' output.
        is_alone = connection.vendor == "sqlite"
        self._recording = (
            self._database if is_alone else DatabaseThread(self._settings.worker_timeout)
        )
        self._recorder = Recorder(self._recording, self._settings.data_directory, self._end_lost)
        self._project_thread = ProjectThread()
        self._upkeep = Upkeep(
            self._row,
            self._database,
            self._settings,
            running=lambda: set(self._runs),
            end_lost=self._end_lost,
        )

    async def run(self) -> None:
        """Process jobs. Raises WorkerFailed if a part of the worker itself failed."""
        tree.become_subreaper()
        await self._database(self._row.save, force_insert=True)
        try:
            async with changes.listen(changes.JOBS) as self._bell:
                self._handle_signals()
                await self._work()
        finally:
            await self._sign_off()
        if self._failure is not None:
            name = type(self._failure).__name__
            raise WorkerFailed(f"A part of the worker failed ({name}): see its log.")

    def drain(self) -> None:
        """Claim nothing more; `run` returns once the running jobs have ended."""
        logger.info("Stopping once %d running jobs have ended.", len(self._runs))
        self._is_draining = True
        self._row.stopping = True
        for run in list(self._runs.values()):
            run.wait_for_nobody()
        self._bell.ring()

    def interrupt(self) -> None:
        """Also interrupt the agents and give their jobs back."""
        logger.info("Interrupting %d running jobs; they continue later.", len(self._runs))
        self._is_draining = self._is_interrupting = True
        for attempt_id in list(self._runs):
            self._stop_run(attempt_id, INTERRUPTED)
        self._bell.ring()

    async def _work(self) -> None:
        side_tasks = [self._side_task("recorder", self._recorder.run())]
        side_tasks += [self._side_task(*task) for task in self._upkeep.tasks()]
        logger.info("Worker %s started with %d slots.", self._row, self._concurrency)
        try:
            # A session may be claimed that was moved away and back.
            await self._upkeep.end_closed_runs()
            await self._fill_slots()
        except Exception as error:
            self._fail(error)
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            for task in side_tasks:
                task.cancel()
            await asyncio.gather(*side_tasks, return_exceptions=True)

    # --- claims and slots ---------------------------------------------------

    async def _fill_slots(self) -> None:
        while not self._is_done:
            found = await self._look()
            for news in found.news:
                if run := self._runs.get(news.attempt_id):
                    run.hear(news)
            for claim in found.claims:
                self._start(claim)
                await asyncio.sleep(0)  # it starts now; then the running ones get their turn
            self._queue_is_empty = found.queue_is_empty
            if not self._is_done:
                await self._bell.wait(found.seconds_to_next)
                if self._runs:
                    await asyncio.sleep(LINGER)

    @property
    def _is_done(self) -> bool:
        wanted = not self._is_draining and not (self._until_empty and self._queue_is_empty)
        return not wanted and not self._tasks

    @property
    def _free_slots(self) -> int:
        if self._is_draining or self._upkeep.is_cut_off:
            return 0
        return min(CLAIM_LIMIT, self._concurrency - len(self._runs))

    async def _look(self) -> Look:
        """What there is to do; a temporary fault of the database only delays it."""
        while True:
            try:
                return await self._database(
                    look, self._row, self._free_slots, until_empty=self._until_empty
                )
            except (OperationalError, InterfaceError) as error:
                if self._is_draining and not self._tasks:
                    return Look()
                logger.warning("The database did not answer (%s): trying again.", error)
                await asyncio.sleep(changes.SLOW_POLL)

    def _start(self, claim: Claim) -> None:
        attempt_id = claim.attempt.pk
        run = Run(claim, self._recorder, self._settings, self._project_thread)
        self._runs[attempt_id] = run
        if self._is_interrupting:  # the claim was under way when it was interrupted
            run.stop(INTERRUPTED)
        elif self._is_draining:
            run.wait_for_nobody()
        task = asyncio.create_task(run.execute(), name=f"run {attempt_id}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_run_ended(attempt_id, done))

    def _on_run_ended(self, attempt_id: str, task: asyncio.Task[None]) -> None:
        del self._runs[attempt_id]
        self._tasks.discard(task)
        self._bell.ring()
        self._watch_for_failure(task)

    def _end_lost(self, attempt_id: str) -> None:
        self._stop_run(attempt_id, LOST)

    def _stop_run(self, attempt_id: str, verdict: Verdict) -> None:
        if run := self._runs.get(attempt_id):
            run.stop(verdict)

    # --- what goes wrong, and the end ---------------------------------------

    def _side_task(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._watch_for_failure)
        return task

    def _watch_for_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        logger.critical("A part of the worker failed.", exc_info=error)
        self._failure = self._failure or error
        self.interrupt()

    def _handle_signals(self) -> None:
        # Not the loop's own handlers: when it closes it would restore the defaults, which kill.
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._on_stop_signal))
        loop.add_signal_handler(signal.SIGWINCH, lambda: None)  # any signal wakes the loop now

    def _on_stop_signal(self) -> None:
        """The first one drains, the second interrupts."""
        self.interrupt() if self._is_draining else self.drain()

    async def _sign_off(self) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # nothing is left to stop
        with suppress(OperationalError, InterfaceError):
            await self._database(self._row.delete)
        for thread in {self._database, self._recording}:
            thread.close()
        self._project_thread.close()
