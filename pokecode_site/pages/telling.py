"""What people tell the agent of a session while it works, as its page shows it."""

from typing import Any

from django.db.models import Q
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
    told = JobSteer.objects.filter(session=session, read_at=None)
    own_jobs = Job.objects.filter(session=session, status__in=UNFINISHED).values("pk")
    shown = told.filter(Q(own_job_id=None) | Q(own_job_id__in=own_jobs)).order_by("-pk")[:SHOWN]
    oldest_first = list(shown)[::-1]
    return {
        "unread": [each for each in oldest_first if each.own_job_id is None],
        "too_late": [each for each in oldest_first if each.own_job_id is not None],
    }
