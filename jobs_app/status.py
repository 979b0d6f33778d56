"""What the queue looks like now: one small dictionary for commands and pages."""

from typing import Any

from django.db.models import Count
from django.utils import timezone

from jobs_app.models import (
    UNFINISHED,
    Job,
    JobAttempt,
    JobRequest,
    JobStatus,
    SessionHost,
    Worker,
)

WAITING_SHOWN = 20
"""How many of the jobs that wait for a time are shown, the next ones first; and how many of those
that wait for a person without a process, the oldest first."""


def snapshot() -> dict[str, Any]:
    """Counts of jobs and of what waits for an answer, running, parked and deferred ones, hosts that
    prompts wait for, and workers."""
    return {
        "jobs": counts(),
        "unanswered": JobRequest.objects.unanswered().count(),
        "running": _running(),
        "parked": [_parked(job) for job in parked()[:WAITING_SHOWN]],
        "parked_in_all": parked().count(),
        "waiting": [_waiting(job) for job in deferred()[:WAITING_SHOWN]],
        "waiting_in_all": deferred().count(),
        "hosts_without_worker": hosts_without_worker(),
        "workers": [_worker(worker) for worker in Worker.objects.order_by("started_at")],
    }


def counts() -> dict[str, int]:
    found = Job.objects.values_list("status").annotate(count=Count("pk")).order_by()
    return {**dict.fromkeys(JobStatus.values, 0), **dict(found)}


def running() -> Any:
    """Open attempts with their job and session, oldest first."""
    return JobAttempt.objects.open().titled().defer("raw_usage").order_by("started_at")


def parked() -> Any:
    """Pending jobs whose agents have asked something and are gone until it is answered."""
    return Job.objects.pending().waiting().titled().select_related("session").order_by("pk")


def deferred() -> Any:
    """Pending jobs that wait for a time: after a failure, or at a limit."""
    later = Job.objects.filter(next_retry_at__gt=timezone.now())  # only pending ones have it
    return later.titled().order_by("next_retry_at")


def hosts_without_worker() -> list[str]:
    """Hosts that have sessions with unfinished jobs, but no living worker."""
    wanted = SessionHost.objects.filter(session__jobs__status__in=UNFINISHED)
    manned = Worker.objects.alive().values("host")
    return list(wanted.exclude(host__in=manned).values_list("host", flat=True).distinct())


def _running() -> list[dict[str, Any]]:
    alive = set(Worker.objects.alive().values_list("pk", flat=True))
    asking = set(Job.objects.waiting().values_list("pk", flat=True))
    return [
        _run(attempt, attempt.worker_id in alive, attempt.job_id in asking) for attempt in running()
    ]


def _run(attempt: JobAttempt, has_worker: bool, waits: bool) -> dict[str, Any]:
    return {
        "job": attempt.job_id,
        "title": attempt.job.title,
        "session": attempt.session.name,
        "attempt": attempt.number,
        "host": attempt.host,
        "seconds": round(attempt.duration.total_seconds(), 1),
        "stopping": attempt.cancel_requested_at is not None,
        "waits_for_you": waits,
        "worker_alive": has_worker,
    }


def _parked(job: Job) -> dict[str, Any]:
    return {"job": job.pk, "title": job.title, "session": job.session.name}


def _waiting(job: Job) -> dict[str, Any]:
    return {
        "job": job.pk,
        "title": job.title,
        "until": job.next_retry_at.isoformat() if job.next_retry_at else None,
        "error": job.error,
    }


def _worker(worker: Worker) -> dict[str, Any]:
    beat = timezone.now() - worker.heartbeat_at
    return {
        "id": worker.pk,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "concurrency": worker.concurrency,
        "alive": worker.is_alive,
        "stopping": worker.stopping,
        "heartbeat_seconds_ago": round(beat.total_seconds(), 1),
    }
