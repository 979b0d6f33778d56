"""What a worker does besides running jobs: heartbeat, leases, rescue, pruning."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from jobs_app import images, leases, queue
from jobs_app.models import JobAttempt, Worker
from jobs_app.processes import tree
from jobs_app.processes.host import this_host
from jobs_app.worker import sweeps
from jobs_app.worker.database import DatabaseThread
from jobs_app.worker.pulse import Pulse
from jobs_app.worker.settings import WorkerSettings

RESCUE_INTERVAL = 10.0
PRUNE_INTERVAL = 3600.0
PRUNE_PAUSE = 0.05
"""Seconds between two deletions, in which claims, messages and other processes get their turn."""

logger = logging.getLogger(__name__)


class Upkeep:
    """`running` gives the attempts that run here, `end_lost` ends one whose lease is lost."""

    def __init__(
        self,
        row: Worker,
        database: DatabaseThread,
        settings: WorkerSettings,
        *,
        running: Callable[[], set[str]],
        end_lost: Callable[[str], None],
    ) -> None:
        self._row = row
        self._database = database
        self._settings = settings
        self._running = running
        self._end_lost = end_lost
        self._pulse = Pulse(settings.worker_timeout)

    @property
    def is_cut_off(self) -> bool:
        """Whether the database has been out of reach for so long that nothing may be begun."""
        return self._pulse.is_cut_off

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What has to run beside the agents, by name."""
        yield "heartbeat", self._keep_heartbeat()
        yield "rescue", self._keep_rescuing()
        yield "prune", self._keep_pruning()
        if connection.vendor == "postgresql":  # what one cannot write, another host may take over
            yield "leases", self._watch_leases()

    async def end_closed_runs(self) -> None:
        """End what still runs here of sessions that were moved to another host."""
        run_ids = await asyncio.to_thread(tree.run_ids)
        with suppress(OperationalError, InterfaceError):
            for attempt in await self._database(sweeps.closed_runs, run_ids):
                await asyncio.to_thread(sweeps.end_run, attempt)

    # --- heartbeat and leases -----------------------------------------------

    async def _keep_heartbeat(self) -> None:
        unknown_before: set[str] = set()
        while True:
            await asyncio.sleep(self._settings.heartbeat_interval)
            running = self._running()  # a claim may add to it while the beat is written
            began = time.monotonic()
            try:
                held = await self._database(_beat, self._row)
            except (OperationalError, InterfaceError):
                continue
            self._pulse.beat(began)
            for attempt_id in running - held:
                self._end_lost(attempt_id)
            unknown = held - self._running()
            await self._give_back(unknown & unknown_before)
            unknown_before = unknown
            await asyncio.to_thread(tree.reap_adopted)

    async def _give_back(self, attempt_ids: set[str]) -> None:
        """Leases that nothing here runs: claimed, but the database's answer was lost on its way."""
        for attempt_id in attempt_ids:
            logger.warning("Attempt %s was claimed but never began: it is given back.", attempt_id)
            with suppress(OperationalError, InterfaceError):
                await self._database(_release, attempt_id)

    async def _watch_leases(self) -> None:
        """End our agents before others may take over, even if the database merely does not
        answer: the heartbeat then waits, and gets no error."""
        pause = self._settings.worker_timeout / 12
        while True:
            await asyncio.sleep(pause)
            if self.is_cut_off:
                await asyncio.sleep(pause)  # a worker that was frozen finds its database now
            if self.is_cut_off:
                for attempt_id in self._running():
                    self._end_lost(attempt_id)

    # --- rescue -------------------------------------------------------------

    async def _keep_rescuing(self) -> None:
        while True:
            by_silence = self._pulse.may_judge_silence
            with suppress(OperationalError, InterfaceError):
                await self._rescue(by_silence=by_silence)
            soon = min(RESCUE_INTERVAL, self._settings.worker_timeout / 3)
            await asyncio.sleep(RESCUE_INTERVAL if by_silence else soon)

    async def _rescue(self, *, by_silence: bool) -> None:
        """A sweep that does not hold up the database's thread while it kills."""
        await self.end_closed_runs()
        for attempt in await self._database(
            sweeps.abandoned_here, self._row.pk, by_silence=by_silence
        ):
            if by_silence and not self._pulse.may_judge_silence:
                return  # the answer itself took a long time
            if await asyncio.to_thread(sweeps.end_run, attempt):
                await self._database(leases.rescue, attempt)
        await self._database(sweeps.forget_dead_workers)

    # --- pruning ------------------------------------------------------------

    async def _keep_pruning(self) -> None:
        while True:
            pause = RESCUE_INTERVAL  # from where the database interrupted it
            with suppress(OperationalError, InterfaceError):
                await self._prune()
                pause = PRUNE_INTERVAL
            await asyncio.sleep(pause)

    async def _prune(self) -> None:
        while await self._database(queue.prune, self._settings.retention):
            await asyncio.sleep(PRUNE_PAUSE)
        await self._database(images.sweep)


def new_worker(version: str, concurrency: int) -> Worker:
    """The row of a worker in this process, not yet saved."""
    here = this_host()
    return Worker(
        host=here.name,
        boot_id=here.boot_id,
        pid=os.getpid(),
        process_started=tree.process_started(os.getpid()),
        version=version,
        concurrency=concurrency,
    )


def _beat(worker: Worker) -> set[str]:
    """Write the heartbeat; returns the attempts that this worker still holds."""
    worker.heartbeat_at = timezone.now()
    beat = {"heartbeat_at": worker.heartbeat_at, "stopping": worker.stopping}
    if not Worker.objects.filter(pk=worker.pk).update(**beat):
        worker.save(force_insert=True)  # its host slept so long that others deleted its row
    return set(JobAttempt.objects.held_by(worker.pk).values_list("pk", flat=True))


def _release(attempt_id: str) -> None:
    attempts = JobAttempt.objects.open().filter(pk=attempt_id)
    for attempt in attempts.select_related("job", "session"):  # none if it was just deleted
        leases.release(attempt)
