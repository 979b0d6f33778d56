"""One look of a worker at the queue: what to stop, what to start, when to look again."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from jobs_app import claiming, leases
from jobs_app.claiming import Claim
from jobs_app.models import Job, JobAttempt, JobRequest, JobSteer, Worker
from sessions_app.changes import SLOW_POLL
from sessions_app.models import SessionState

PAUSE = 0.05
"""Seconds after a claim until the next look: what was claimed starts first."""


# At each look of a busy worker: a queryset takes ten times as long, a fifth of the look.
NEWS = """
SELECT
    run.id,
    run.cancel_requested_at IS NOT NULL,
    run.interrupt_requested_at IS NOT NULL,
    EXISTS (
        SELECT 1 FROM job_requests AS request
        WHERE request.attempt_id = run.id AND request.answered_at IS NOT NULL
          AND request.closed_at IS NULL
    ) OR EXISTS (
        SELECT 1 FROM job_steers AS steer
        WHERE steer.job_id = run.job_id AND steer.read_at IS NULL AND steer.own_job_id IS NULL
          AND steer.sent_at IS NULL
    )
FROM job_attempts AS run
WHERE run.worker_id = %s AND run.finished_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Look:
    """`queue_is_empty` says that nothing is left to run, now or later, by any worker."""

    claims: list[Claim] = field(default_factory=list)
    news: list["News"] = field(default_factory=list)
    queue_is_empty: bool = False
    seconds_to_next: float = SLOW_POLL


@dataclass(frozen=True, slots=True)
class News:
    """What people have said to one of this worker's attempts."""

    attempt_id: str
    is_cancelled: bool
    is_interrupted: bool
    answered: Sequence[JobRequest] = ()
    told: Sequence[JobSteer] = ()


def look(worker: Worker, free: int, *, until_empty: bool = False) -> Look:
    """Claim up to `free` jobs, and see what else there is for this worker.

    Only with `until_empty` does it look whether anything is left to run.
    """
    news = _news(worker) if free < worker.concurrency else []
    now = timezone.now()
    may_claim = free > 0 and claiming.may_have_runnable(now, worker.host)
    claims = leases.claim(worker, free) if may_claim else []
    if claims:
        return Look(claims, news, seconds_to_next=PAUSE)
    return Look([], news, until_empty and not _has_unfinished(worker), _seconds_to_next(now))


def _news(worker: Worker) -> list[News]:
    with connection.cursor() as cursor:
        cursor.execute(NEWS, [worker.pk])
        rows = cursor.fetchall()
    said = [pk for pk, *_, has_words in rows if has_words]
    answered, told = _words(said) if said else ({}, {})
    return [
        News(pk, bool(is_cancelled), bool(is_interrupted), answered.get(pk, ()), told.get(pk, ()))
        for pk, is_cancelled, is_interrupted, has_words in rows
        if is_cancelled or is_interrupted or has_words
    ]


def _words(
    attempt_ids: Sequence[str],
) -> tuple[dict[str, list[JobRequest]], dict[str, list[JobSteer]]]:
    """The answers and the words that were not handed over yet, by attempt."""
    answered: dict[str, list[JobRequest]] = defaultdict(list)
    told: dict[str, list[JobSteer]] = defaultdict(list)
    jobs = dict(JobAttempt.objects.filter(pk__in=attempt_ids).values_list("job_id", "pk"))
    undelivered = JobRequest.objects.undelivered().filter(attempt__in=list(attempt_ids))
    for request in undelivered.order_by("pk"):
        answered[request.attempt_id].append(request)
    unsent = JobSteer.objects.filter(read_at=None, own_job_id=None, sent_at=None)
    for steer in unsent.filter(job__in=list(jobs)).select_related("session").order_by("pk"):
        told[jobs[steer.job_id]].append(steer)
    return answered, told


def _has_unfinished(worker: Worker) -> bool:
    active = Job.objects.unfinished().filter(session__state=SessionState.ACTIVE)
    here = Q(session__own_host__host=worker.host) | Q(session__own_host__isnull=True)
    # What waits for a person is not ours to run before the answer, nor what comes after it.
    parked = Job.objects.pending().waiting()
    behind = parked.filter(session=OuterRef("session"), pk__lte=OuterRef("pk"))
    return active.filter(here).exclude(Exists(behind)).exists()


def _seconds_to_next(now: datetime) -> float:
    # Only a pending job has a retry time; filtering by status would use another index.
    later = Job.objects.filter(next_retry_at__gt=now).order_by("next_retry_at")
    due = later.values_list("next_retry_at", flat=True).first()
    if due is None:
        return SLOW_POLL
    return max(0.0, min(SLOW_POLL, (due - now).total_seconds()))
