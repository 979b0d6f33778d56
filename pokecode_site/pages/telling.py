"""What people tell the agent of a session while it works, as its page shows it."""

from typing import Any

from django.http import HttpRequest

from jobs_app import queue
from jobs_app.models import UNFINISHED, Job, JobStatus, JobSteer
from sessions_app.models import Session

SHOWN = 20

BY_SCRIPT = "fetch"
"""The X-Requested-With of the page's own script, which needs no page in answer."""


def is_by_script(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == BY_SCRIPT


def context(session: Session) -> dict[str, Any]:
    """The words that stand in no conversation yet: `unread` ones; those `too_late` that are a
    prompt of their own, while that is not done; and those of a job that was `stopped`, until there
    is a newer prompt."""
    told = list(JobSteer.objects.filter(session=session, read_at=None).order_by("-pk")[:SHOWN])
    own = Job.objects.filter(pk__in=[each.own_job_id for each in told if each.own_job_id])
    statuses = dict(own.values_list("pk", "status"))
    is_last = bool(statuses) and queue.newest_job(session.pk) in statuses
    oldest_first = [(each, statuses.get(each.own_job_id or "")) for each in reversed(told)]
    return {
        "unread": [each for each, _ in oldest_first if each.own_job_id is None],
        "too_late": [each for each, status in oldest_first if status in UNFINISHED],
        "stopped": [
            each for each, status in oldest_first if is_last and status == JobStatus.CANCELLED
        ],
    }
