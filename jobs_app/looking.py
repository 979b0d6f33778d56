"""One look of a worker at the queue: whom to stop, what to start, when to look again."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from jobs_app import plans, queue
from jobs_app.models import Job, JobAttempt, SessionHost, Worker
from jobs_app.plans import Plan
from sessions_app.changes import SLOW_POLL
from sessions_app.models import SessionState


@dataclass(frozen=True, slots=True)
class Look:
    """`queue_is_empty` says that nothing is left to run, now or later, by any worker."""

    plans: list[Plan] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    queue_is_empty: bool = False
    seconds_to_next: float = SLOW_POLL


def look(worker: Worker, free: int) -> Look:
    """Claim up to `free` jobs, and see what else there is for this worker."""
    cancelled = _cancelled(worker) if free < worker.concurrency else []
    now = timezone.now()
    claimed = queue.claim(worker, free) if free > 0 and _has_due(now) else []
    if claimed:
        return Look(plans.load(claimed), cancelled)
    return Look([], cancelled, not _has_unfinished(worker), _seconds_to_next(now))


def _cancelled(worker: Worker) -> list[str]:
    asked = JobAttempt.objects.held_by(worker.pk).filter(cancel_requested_at__isnull=False)
    return list(asked.values_list("pk", flat=True))


def _has_due(now: datetime) -> bool:
    # A read, so that a worker that is woken for nothing does not ask for the write lock.
    due = Q(next_retry_at__isnull=True) | Q(next_retry_at__lte=now)
    return Job.objects.pending().filter(due).exists()


def _has_unfinished(worker: Worker) -> bool:
    elsewhere = SessionHost.objects.exclude(host=worker.host).values("session_id")
    active = Job.objects.unfinished().filter(session__state=SessionState.ACTIVE)
    return active.exclude(session_id__in=elsewhere).exists()


def _seconds_to_next(now: datetime) -> float:
    later = Job.objects.pending().filter(next_retry_at__gt=now).order_by("next_retry_at")
    due = later.values_list("next_retry_at", flat=True).first()
    if due is None:
        return SLOW_POLL
    return max(0.0, min(SLOW_POLL, (due - now).total_seconds()))
