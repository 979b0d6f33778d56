"""What a run needs to know from the database before it starts, read for many runs at once."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Subquery

from jobs_app.agents.base import Request
from jobs_app.models import JobAttempt, ProjectTrust
from sessions_app import transcript
from sessions_app.models import Session


@dataclass(frozen=True, slots=True)
class Plan:
    """One run to make. `previous_usage` is what its conversation's last run left, for the meter."""

    attempt: JobAttempt
    request: Request
    previous_usage: Any


def load(attempts: Sequence[JobAttempt]) -> list[Plan]:
    """A plan for each of these claimed attempts, in one query."""
    facts = {row["pk"]: row for row in _facts([attempt.session_id for attempt in attempts])}
    return [_plan(attempt, facts[attempt.session_id]) for attempt in attempts]


def private_directory(attempt_id: str) -> Path:
    """Where a run keeps its private files, below the data directory; made when it needs one."""
    return Path(settings.POKECODE_DATA_DIR) / "runs" / attempt_id


def remove_private_files(attempt_id: str) -> None:
    directory = private_directory(attempt_id)
    if directory.is_dir():
        shutil.rmtree(directory, ignore_errors=True)


def _facts(session_ids: Sequence[str]) -> Any:
    runs = JobAttempt.objects.filter(session_id=OuterRef("pk"), raw_usage__isnull=False)
    last = runs.order_by(*transcript.NEWEST)[:1]
    return (
        Session.objects.filter(pk__in=session_ids)
        .annotate(
            conversation=Subquery(transcript.conversation_ids(OuterRef("pk"))[:1]),
            usage_of=Subquery(last.values("provider_session_id")),
            usage=Subquery(last.values("raw_usage")),
            trusted=Exists(ProjectTrust.objects.filter(path=OuterRef("project_path"))),
        )
        .values("pk", "conversation", "usage_of", "usage", "trusted")
    )


def _plan(attempt: JobAttempt, facts: dict[str, Any]) -> Plan:
    session, data = attempt.session, attempt.job.data
    request = Request(
        run_id=attempt.pk,
        prompt=data["prompt"],
        project_path=session.project_path,
        model=data.get("model"),
        allowed_tools=data.get("allowedTools") or session.allowed_tools,
        context=session.context,
        resume=facts["conversation"],
        trusted=facts["trusted"],
        private_directory=str(private_directory(attempt.pk)),
    )
    is_same = facts["conversation"] is not None and facts["usage_of"] == facts["conversation"]
    return Plan(attempt, request, facts["usage"] if is_same else None)
