"""Rescue and prune: one sweep per call, which returns counts, for the worker and the commands."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from jobs_app import images, leases, queue
from jobs_app.models import JobAttempt, Worker
from jobs_app.processes import tree
from jobs_app.processes.host import has_died, this_host
from jobs_app.worker.preparing import remove_private_files
from jobs_app.worker.settings import WorkerSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RescueCount:
    """`rescued` jobs continue; `elsewhere` are attempts of dead workers on other hosts."""

    rescued: int = 0
    elsewhere: int = 0


def rescue() -> RescueCount:
    """End what is left of attempts whose worker is gone, and let their jobs continue.

    Only on this host: nobody can know from elsewhere whether an agent still runs.
    """
    found = _abandoned()
    here = [attempt for attempt in found if attempt.host == this_host().name]
    rescued = sum(end_run(attempt) and leases.rescue(attempt) for attempt in here)
    forget_dead_workers()
    return RescueCount(rescued, len(found) - len(here))


def abandoned_here(own_worker: str, *, by_silence: bool) -> list[JobAttempt]:
    """Attempts on this host whose worker is gone; without `by_silence` only the end of its process
    tells. The worker that asks is not gone, however late its beat: the machine may have slept."""
    return [
        attempt
        for attempt in _abandoned(by_silence=by_silence)
        if attempt.host == this_host().name and attempt.worker_id != own_worker
    ]


def end_run(attempt: JobAttempt) -> bool:
    """True when nothing of the attempt is left on this machine."""
    logger.warning("What is left of attempt %s on this host is ended.", attempt.pk)
    if attempt.boot_id == this_host().boot_id:
        try:
            tree.end_marked(attempt.pk)
        except tree.StillAlive as error:
            logger.error("Attempt %s stays open: %s", attempt.pk, error)
            return False
    remove_private_files(WorkerSettings.read(), attempt.pk)
    return True


def closed_runs(run_ids: Iterable[str]) -> list[JobAttempt]:
    """Those of these attempts that were closed from elsewhere: their sessions were moved while
    this host had no worker. What the original of an adopted copy runs is none of ours."""
    closed = JobAttempt.objects.filter(pk__in=list(run_ids), finished_at__isnull=False)
    return list(closed.filter(boot_id=this_host().boot_id))


def prune(days: int, *, dry_run: bool = False) -> int:
    """Delete jobs that ended more than `days` ago, and the images that nothing names any more;
    returns how many jobs."""
    age = timedelta(days=days)
    if dry_run:
        return queue.prunable(age).count()
    pruned = sum(iter(lambda: queue.prune(age), 0))
    images.sweep()
    return pruned


def _abandoned(*, by_silence: bool = True) -> list[JobAttempt]:
    # The attempts first, so as not to miss a worker that registers and claims in between.
    runs = list(JobAttempt.objects.open().select_related("session", "job"))
    workers = Worker.objects.alive() if by_silence else Worker.objects.all()
    working = {worker.pk for worker in workers if not _has_died(worker)}
    return [attempt for attempt in runs if attempt.worker_id not in working]


def _has_died(worker: Worker) -> bool:
    """Whether its process on this host is gone; for other hosts its heartbeat tells."""
    return has_died(worker.host, worker.boot_id, worker.pid, worker.process_started)


def forget_dead_workers() -> None:
    """A dead worker's row stays while it explains an open attempt, and a day longer."""
    old = timezone.now() - timedelta(days=1)
    holding = JobAttempt.objects.open().values("worker_id")
    Worker.objects.dead().filter(heartbeat_at__lt=old).exclude(pk__in=holding).delete()
