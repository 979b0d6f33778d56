"""One look of a worker at the queue: what to stop, what to start, when to look again."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from jobs_app import claiming, leases
from jobs_app.claiming import Claim
from jobs_app.models import Job, Worker
from sessions_app.changes import SLOW_POLL
from sessions_app.models import SessionState

PAUSE = 0.05
"""Seconds after a claim until the next look: what was claimed starts first."""


# At each look of a busy worker: a queryset takes ten times as long, a fifth of the look.
CANCELLED = """
SELECT id FROM job_attempts
WHERE worker_id = %s AND finished_at IS NULL AND cancel_requested_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Look:
    """`cancelled` are attempts whose stop was asked for; `queue_is_empty` says that nothing is
    left to run, now or later, by any worker."""

    claims: list[Claim] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    queue_is_empty: bool = False
    seconds_to_next: float = SLOW_POLL


def look(worker: Worker, free: int, *, until_empty: bool = False) -> Look:
    """Claim up to `free` jobs, and see what else there is for this worker.

    Only with `until_empty` does it look whether anything is left to run.
    """
    cancelled = _cancelled(worker) if free < worker.concurrency else []
    now = timezone.now()
    may_claim = free > 0 and claiming.may_have_runnable(now, worker.host)
    claims = leases.claim(worker, free) if may_claim else []
    if claims:
        return Look(claims, cancelled, seconds_to_next=PAUSE)
    return Look([], cancelled, until_empty and not _has_unfinished(worker), _seconds_to_next(now))


def _cancelled(worker: Worker) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(CANCELLED, [worker.pk])
        return [pk for (pk,) in cursor.fetchall()]


def _has_unfinished(worker: Worker) -> bool:
    active = Job.objects.unfinished().filter(session__state=SessionState.ACTIVE)
    here = Q(session__own_host__host=worker.host) | Q(session__own_host__isnull=True)
    return active.filter(here).exists()


def _seconds_to_next(now: datetime) -> float:
    # Only a pending job has a retry time; filtering by status would use another index.
    later = Job.objects.filter(next_retry_at__gt=now).order_by("next_retry_at")
    due = later.values_list("next_retry_at", flat=True).first()
    if due is None:
        return SLOW_POLL
    return max(0.0, min(SLOW_POLL, (due - now).total_seconds()))
