"""Rescue and prune: one sweep a call, returns counts; the worker and the commands call the same."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from jobs_app import hosts, queue
from jobs_app.agents import tree
from jobs_app.models import JobAttempt, Worker
from jobs_app.plans import remove_private_files

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RescueCount:
    """`rescued` jobs go on; `elsewhere` are runs of dead workers on other hosts."""

    rescued: int = 0
    elsewhere: int = 0


def rescue() -> RescueCount:
    """End what is left of runs whose worker is gone, and let their jobs go on.

    Only on this host: nobody can know from elsewhere whether an agent still runs.
    """
    here = hosts.this_host()
    rescued = elsewhere = 0
    for attempt in _abandoned():
        if attempt.host != here.name:
            elsewhere += 1
        elif _end_run(attempt, here) and queue.rescue(attempt):
            rescued += 1
            logger.warning("Attempt %s was rescued: its worker is gone.", attempt.pk)
    _forget_dead_workers()
    return RescueCount(rescued, elsewhere)


def prune(days: int | None = None, *, dry_run: bool = False) -> int:
    """Delete jobs that ended more than `days` ago; returns how many."""
    kept = settings.POKECODE_JOB_RETENTION_DAYS if days is None else days
    return queue.prune(timedelta(days=kept), dry_run=dry_run)


def _abandoned() -> list[JobAttempt]:
    working = {worker.pk for worker in Worker.objects.alive() if not hosts.has_died(worker)}
    runs = JobAttempt.objects.open().select_related("session", "job")
    return [attempt for attempt in runs if attempt.worker_id not in working]


def _end_run(attempt: JobAttempt, here: hosts.Host) -> bool:
    """True when nothing of the run is left on this machine."""
    if attempt.boot_id == here.boot_id:
        try:
            tree.end_marked(attempt.pk)
        except tree.StillAlive as error:
            logger.error("Attempt %s stays open: %s", attempt.pk, error)
            return False
    remove_private_files(attempt.pk)
    return True


def _forget_dead_workers() -> None:
    """A dead worker's row stays while it explains an open attempt, and a day longer."""
    old = timezone.now() - timedelta(days=1)
    holding = JobAttempt.objects.open().values("worker_id")
    Worker.objects.dead().filter(heartbeat_at__lt=old).exclude(pk__in=holding).delete()
