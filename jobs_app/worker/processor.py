"""The job processor: claims jobs into slots, keeps its heartbeat, and stops in order."""

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from jobs_app import hosts, queue
from jobs_app.leases import Plan, RunReport
from jobs_app.models import JobAttempt, Outcome, Worker
from jobs_app.processes import tree
from jobs_app.worker import sweeps
from jobs_app.worker.database import DatabaseThread
from jobs_app.worker.looking import Look, look
from jobs_app.worker.pulse import Pulse
from jobs_app.worker.recorder import Recorder
from jobs_app.worker.run import Run
from sessions_app import changes

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
LINGER = 0.002
"""Seconds from a ring to the look while agents run: one claim follows all that end together."""

CLAIM_LIMIT = 50
"""Jobs of one claim: they start while the next are claimed."""

RESCUE_INTERVAL = 10.0
PRUNE_INTERVAL = 3600.0
PRUNE_PAUSE = 0.05
"""Seconds between two deletions, in which claims, messages and other processes have their turn."""

logger = logging.getLogger(__name__)


class WorkerFailed(Exception):
    """A side task of the worker died; what it ran was stopped and given back."""


class JobProcessor:
    """One process, many agents at once. `run` returns when it has drained or was stopped."""

    def __init__(self, concurrency: int, *, drain: bool = False) -> None:
        self._row = hosts.new_worker(settings.VERSION, concurrency)
        self._concurrency = concurrency
        self._until_empty = drain
        self._stopping = self._interrupting = False
        self._queue_is_empty = False
        self._failure: BaseException | None = None
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._database = DatabaseThread()
        # PostgreSQL takes several writers: claims and heartbeats do not wait for what runs print.
        is_alone = connection.vendor == "sqlite"
        self._recording = self._database if is_alone else DatabaseThread()
        self._recorder = Recorder(self._recording, self._on_lease_lost)
        self._pulse = Pulse()

    async def run(self) -> None:
        """Process jobs. Raises WorkerFailed if a part of the worker itself failed."""
        tree.become_subreaper()
        await self._database(self._row.save, force_insert=True)
        try:
            async with changes.listen(changes.JOBS) as self._bell:
                await self._work()
        finally:
            await self._sign_off()
        if self._failure is not None:
            name = type(self._failure).__name__
            raise WorkerFailed(f"A part of the worker failed ({name}): see its log.")

    async def _work(self) -> None:
        self._handle_signals()
        side_tasks = [
            self._side_task(self._recorder.run(), "recorder"),
            self._side_task(self._keep_heartbeat(), "heartbeat"),
            self._side_task(self._keep_rescuing(), "rescue"),
            self._side_task(self._keep_pruning(), "prune"),
        ]
        if connection.vendor == "postgresql":  # what one cannot write, another host may take over
            side_tasks.append(self._side_task(self._watch_leases(), "leases"))
        logger.info("Worker %s started with %d slots.", self._row, self._concurrency)
        try:
            await self._end_closed_runs()  # a session may be claimed that was moved away and back
            await self._process()
        except Exception as error:
            self._fail(error)
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            for task in side_tasks:
                task.cancel()
            await asyncio.gather(*side_tasks, return_exceptions=True)

    # --- claiming -----------------------------------------------------------

    async def _process(self) -> None:
        while not self._is_done:
            found = await self._look()
            for attempt_id in found.cancelled:
                self._stop_run(attempt_id, "cancelled")
            for plan in found.plans:
                self._start(plan)
                await asyncio.sleep(0)  # it starts now; then those that run are heard
            self._queue_is_empty = found.queue_is_empty
            if not self._is_done:
                await self._bell.wait(found.seconds_to_next)
                if self._runs:
                    await asyncio.sleep(LINGER)

    @property
    def _is_done(self) -> bool:
        wanted = not self._stopping and not (self._until_empty and self._queue_is_empty)
        return not wanted and not self._tasks

    async def _look(self) -> Look:
        """What there is to do; a passing fault of the database only delays it."""
        while True:
            is_full = self._stopping or self._pulse.is_cut_off
            free = 0 if is_full else min(CLAIM_LIMIT, self._concurrency - len(self._runs))
            try:
                return await self._database(look, self._row, free, until_empty=self._until_empty)
            except (OperationalError, InterfaceError) as error:
                if self._stopping and not self._tasks:
                    return Look()
                logger.warning("The database did not answer (%s): trying again.", error)
                await asyncio.sleep(changes.SLOW_POLL)

    def _start(self, plan: Plan) -> None:
        attempt_id = plan.attempt.pk
        run = self._runs[attempt_id] = Run(plan, self._recorder)
        if self._interrupting:  # the claim was under way when the second signal came
            run.stop("interrupted")
        task = asyncio.create_task(run.execute(), name=f"run {attempt_id}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_run_ended(attempt_id, done))

    def _on_run_ended(self, attempt_id: str, task: asyncio.Task[None]) -> None:
        del self._runs[attempt_id]
        self._tasks.discard(task)
        self._bell.ring()
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception())

    # --- side tasks ---------------------------------------------------------

    def _side_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._on_side_task_ended)
        return task

    def _on_side_task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception())

    async def _keep_heartbeat(self) -> None:
        unknown_before: set[str] = set()
        while True:
            await asyncio.sleep(settings.POKECODE_HEARTBEAT_INTERVAL)
            running = set(self._runs)  # a claim may add to it while the beat is written
            began = time.monotonic()
            try:
                held = await self._database(_beat, self._row, self._stopping)
            except (OperationalError, InterfaceError):
                continue
            self._pulse.beat(began)
            for attempt_id in running - held:
                self._stop_run(attempt_id, "lease lost")
            unknown = held - set(self._runs)
            await self._give_back(unknown & unknown_before)
            unknown_before = unknown
            await asyncio.to_thread(tree.reap_adopted)

    async def _give_back(self, attempt_ids: set[str]) -> None:
        """Leases without a run: claimed, but the database's answer was lost on its way."""
        for attempt_id in attempt_ids:
            logger.warning("Attempt %s was claimed but never began: it is given back.", attempt_id)
            with suppress(OperationalError, InterfaceError):
                await self._database(_release, attempt_id)

    async def _watch_leases(self) -> None:
        """End our agents before others may take over, also while the database just does not
        answer: the heartbeat then waits, and gets no error."""
        pause = settings.POKECODE_WORKER_TIMEOUT / 12
        while True:
            await asyncio.sleep(pause)
            if self._pulse.is_cut_off:
                await asyncio.sleep(pause)  # a worker that was frozen finds its database now
            if self._pulse.is_cut_off:
                for attempt_id in list(self._runs):
                    self._stop_run(attempt_id, "lease lost")

    async def _end_closed_runs(self) -> None:
        """What goes on here of sessions that were moved to another host."""
        run_ids = await asyncio.to_thread(tree.run_ids)
        with suppress(OperationalError, InterfaceError):
            for attempt in await self._database(sweeps.closed_runs, run_ids):
                await asyncio.to_thread(sweeps.end_run, attempt)

    async def _keep_rescuing(self) -> None:
        while True:
            by_silence = self._pulse.may_judge_silence
            with suppress(OperationalError, InterfaceError):
                await self._rescue(by_silence=by_silence)
            soon = min(RESCUE_INTERVAL, settings.POKECODE_WORKER_TIMEOUT / 3)
            await asyncio.sleep(RESCUE_INTERVAL if by_silence else soon)

    async def _rescue(self, *, by_silence: bool) -> None:
        """A sweep whose killing does not hold up the database's thread."""
        await self._end_closed_runs()
        own = self._row.pk
        for attempt in await self._database(sweeps.abandoned_here, own, by_silence=by_silence):
            if by_silence and not self._pulse.may_judge_silence:
                return  # the answer itself was long in coming
            if await asyncio.to_thread(sweeps.end_run, attempt):
                await self._database(queue.rescue, attempt)
        await self._database(sweeps.forget_dead_workers)

    async def _keep_pruning(self) -> None:
        while True:
            pause = RESCUE_INTERVAL  # where the database has interrupted it
            with suppress(OperationalError, InterfaceError):
                await self._prune()
                pause = PRUNE_INTERVAL
            await asyncio.sleep(pause)

    async def _prune(self) -> None:
        while await self._database(sweeps.prune_batch):
            await asyncio.sleep(PRUNE_PAUSE)

    def _on_lease_lost(self, attempt_id: str) -> None:
        self._stop_run(attempt_id, "lease lost")

    def _stop_run(self, attempt_id: str, reason: str) -> None:
        if run := self._runs.get(attempt_id):
            run.stop(reason)

    # --- stopping -----------------------------------------------------------

    def _handle_signals(self) -> None:
        # Not the loop's own handlers: it would give them up, for the deadly defaults, at its end.
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self.stop))
        loop.add_signal_handler(signal.SIGWINCH, lambda: None)  # any signal wakes the loop now

    def stop(self) -> None:
        """First call: drain. Second call: interrupt the agents and give their jobs back."""
        if not self._stopping:
            logger.info("Stopping when %d running jobs have ended.", len(self._runs))
            self._stopping = True
            self._bell.ring()
        else:
            logger.info("Interrupting %d running jobs; they go on later.", len(self._runs))
            self._interrupting = True
            for run in list(self._runs.values()):
                run.stop("interrupted")

    def _fail(self, error: BaseException | None) -> None:
        logger.critical("A part of the worker failed.", exc_info=error)
        self._failure = self._failure or error
        self.stop()
        self.stop()

    async def _sign_off(self) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # nothing is left to stop
        with suppress(OperationalError, InterfaceError):
            await self._database(self._row.delete)
        for thread in {self._database, self._recording}:
            thread.close()


def _release(attempt_id: str) -> None:
    attempt = JobAttempt.objects.select_related("job", "session").get(pk=attempt_id)
    queue.release(attempt, RunReport(Outcome.INTERRUPTED, "The run never began."))


def _beat(worker: Worker, stopping: bool) -> set[str]:
    """Write the heartbeat; returns the attempts that this worker still holds."""
    worker.heartbeat_at, worker.stopping = timezone.now(), stopping
    beat = {"heartbeat_at": worker.heartbeat_at, "stopping": stopping}
    if not Worker.objects.filter(pk=worker.pk).update(**beat):
        worker.save(force_insert=True)  # its host has slept so long that others forgot it
    return set(JobAttempt.objects.held_by(worker.pk).values_list("pk", flat=True))
