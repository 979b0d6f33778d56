"""What the first page shows: what runs now, the queue, the workers, what needs a person."""

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs_app import status
from jobs_app.acts import RUN_JOB
from jobs_app.checks import permission_bypass
from jobs_app.models import Job, JobAttempt, JobRequest, JobStatus, Worker
from pokecode_site.pages.inbox import Inbox
from sessions_app.models import Session

COUNT_LIMIT = 1000
"""How many rows are counted per state; beyond that the page says "1,000+"."""

SHOWN = 8
RECENT_JOBS = 500
"""The newest jobs, among which recent failures are looked for."""


def context(request: HttpRequest) -> dict[str, Any]:
    """Each part is shown only to those who may see its rows."""
    parts: dict[str, Any] = {
        "inbox": Inbox(request),
        "demo": settings.POKECODE_DEMO,
        "bypasses": [warning.msg for warning in permission_bypass(None)],
        "may_run": request.user.has_perm(RUN_JOB),
        "may_create": request.user.has_perm("sessions_app.add_session"),
    }
    if request.user.has_perm("jobs_app.view_job"):
        parts |= _jobs()
    if request.user.has_perm("jobs_app.view_worker"):
        parts["workers"] = Worker.objects.order_by("-heartbeat_at")[:SHOWN]
    if request.user.has_perm("sessions_app.view_session"):
        parts["sessions"] = Session.objects.active().order_by("-last_accessed_at")[:SHOWN]
    return parts


def _jobs() -> dict[str, Any]:
    counts = [(state, _capped_count(state)) for state in JobStatus]
    waiting = dict(counts)[JobStatus.PENDING] != "0"
    return {
        "counts": counts,
        "runs": (runs := list(status.running()[:SHOWN])),
        "waiting": _waiting(runs),
        "failures": _recent_failures(),
        "unmanned": status.hosts_without_worker(),
        "worker_missing": waiting and not Worker.objects.alive().exists(),
    }


def _waiting(runs: list[JobAttempt]) -> set[str]:
    """The jobs among them that wait for a person."""
    asked = JobRequest.objects.unanswered().filter(job__in=[run.job_id for run in runs])
    return set(asked.values_list("job_id", flat=True))


def _capped_count(state: str) -> str:
    found = Job.objects.filter(status=state).order_by().values("pk")[: COUNT_LIMIT + 1].count()
    return f"{COUNT_LIMIT:,}+" if found > COUNT_LIMIT else f"{found:,}"


def _recent_failures() -> "QuerySet[Job]":
    # Among the newest jobs only: there is no index on the time of a failure.
    newest = Job.objects.order_by("-created_at").values("pk")[:RECENT_JOBS]
    failed = Job.objects.titled().filter(pk__in=newest, status=JobStatus.FAILED)
    return failed.order_by("-pk")[:SHOWN]
