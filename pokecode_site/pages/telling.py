"""What people tell the agent of a session while it works, as its page shows it."""

from typing import Any

from django.http import HttpRequest

from jobs_app.models import UNFINISHED, Job, JobSteer
from sessions_app.models import Session

SHOWN = 20

BY_SCRIPT = "fetch"
"""The X-Requested-With of the page's own script, which needs no page in answer."""


def is_by_script(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == BY_SCRIPT


def context(session: Session) -> dict[str, Any]:
    """The words that stand in no conversation yet: `unread` ones, and those `too_late` that are a
    prompt of their own, while that is not done."""
    told = list(JobSteer.objects.filter(session=session, read_at=None).order_by("-pk")[:SHOWN])
    own_jobs = [each.own_job_id for each in told if each.own_job_id is not None]
    undone = Job.objects.filter(pk__in=own_jobs, status__in=UNFINISHED).values_list("pk", flat=True)
    shown = {None, *undone} if own_jobs else {None}
    oldest_first = [each for each in reversed(told) if each.own_job_id in shown]
    return {
        "unread": [each for each in oldest_first if each.own_job_id is None],
        "too_late": [each for each in oldest_first if each.own_job_id is not None],
    }
