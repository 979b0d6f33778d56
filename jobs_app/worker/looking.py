"""One look of a worker at the queue: whom to stop, what to start, when to look again."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from jobs_app import queue
from jobs_app.leases import Plan
from jobs_app.models import Job, Worker
from sessions_app import storage
from sessions_app.changes import SLOW_POLL
from sessions_app.models import SessionState

SETTLE = 0.05
"""Seconds after a claim until the next look: what was claimed starts first."""


@dataclass(frozen=True, slots=True)
class Look:
    """`queue_is_empty` says that nothing is left to run, now or later, by any worker."""

    plans: list[Plan] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    queue_is_empty: bool = False
    seconds_to_next: float = SLOW_POLL


CANCELLED = """
SELECT id FROM job_attempts
WHERE finished_at IS NULL AND cancel_requested_at IS NOT NULL AND worker_id = %s
"""

DUE = """
SELECT id FROM job_queue
WHERE status = 'pending' AND (next_retry_at IS NULL OR next_retry_at <= %s) LIMIT 1
"""


def look(worker: Worker, free: int, *, until_empty: bool = False) -> Look:
    """Claim up to `free` jobs, and see what else there is for this worker.

    Only with `until_empty` does it look whether anything is left to run.
    """
    cancelled = _cancelled(worker) if free < worker.concurrency else []
    now = timezone.now()
    plans = queue.claim_plans(worker, free) if free > 0 and _may_have_due(now) else []
    if plans:
        return Look(plans, cancelled, seconds_to_next=SETTLE)
    return Look([], cancelled, until_empty and not _has_unfinished(worker), _seconds_to_next(now))


def _cancelled(worker: Worker) -> list[str]:
    return [pk for (pk,) in storage.select(CANCELLED, [], worker.pk)]


def _may_have_due(now: datetime) -> bool:
    # Only SQLite has one lock for all writers, which a worker that is woken for nothing must
    # not ask for; elsewhere the claim itself finds out.
    if connection.vendor != "sqlite":
        return True
    return bool(storage.select(DUE, [], connection.ops.adapt_datetimefield_value(now)))


def _has_unfinished(worker: Worker) -> bool:
    active = Job.objects.unfinished().filter(session__state=SessionState.ACTIVE)
    here = Q(session__hosts__host=worker.host) | Q(session__hosts__isnull=True)
    return active.filter(here).exists()


def _seconds_to_next(now: datetime) -> float:
    # Only a pending job has a time to come; to ask for its status would lead to another index.
    later = Job.objects.filter(next_retry_at__gt=now).order_by("next_retry_at")
    due = later.values_list("next_retry_at", flat=True).first()
    if due is None:
        return SLOW_POLL
    return max(0.0, min(SLOW_POLL, (due - now).total_seconds()))
