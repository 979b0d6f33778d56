"""What a run needs to know from the database before it starts, read for many runs at once."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from jobs_app.agents.base import Request
from jobs_app.models import JobAttempt, trusted_paths
from sessions_app import bulk, transcript


@dataclass(frozen=True, slots=True)
class Plan:
    """One run to make. `previous_usage` is what its conversation's last run left, for the meter."""

    attempt: JobAttempt
    request: Request
    previous_usage: Any


def load(attempts: Sequence[JobAttempt]) -> list[Plan]:
    """A plan for each of these claimed attempts, in three queries whatever their number."""
    conversations = transcript.conversation_ids([attempt.session_id for attempt in attempts])
    usages = _previous_usages({pk: name for pk, name in conversations.items() if name})
    trusted = trusted_paths({attempt.session.project_path for attempt in attempts})
    return [
        Plan(
            attempt,
            _request(attempt, conversations[attempt.session_id], trusted),
            usages.get(attempt.session_id),
        )
        for attempt in attempts
    ]


def private_directory(attempt_id: str) -> Path:
    """Where a run keeps its private files, below the data directory; made when it needs one."""
    return Path(settings.POKECODE_DATA_DIR) / "runs" / attempt_id


def remove_private_files(attempt_id: str) -> None:
    directory = private_directory(attempt_id)
    if directory.is_dir():
        shutil.rmtree(directory, ignore_errors=True)


# The last run of each session that left its usage, and of which conversation it was.
USAGES = """
SELECT run.session_id, run.provider_session_id, run.raw_usage
FROM job_attempts AS run
WHERE run.id IN (
    SELECT (SELECT MAX(last.id) FROM job_attempts AS last
            WHERE last.session_id = session.id AND last.raw_usage IS NOT NULL)
    FROM sessions AS session WHERE session.id IN ({keys})
)
"""


def _previous_usages(conversations: dict[str, str]) -> dict[str, Any]:
    if not conversations:
        return {}
    rows = bulk.select(USAGES, list(conversations))
    return {pk: json.loads(raw) for pk, name, raw in rows if name == conversations[pk]}


def _request(attempt: JobAttempt, conversation: str | None, trusted: set[str]) -> Request:
    session, data = attempt.session, attempt.job.data
    return Request(
        run_id=attempt.pk,
        prompt=data["prompt"],
        project_path=session.project_path,
        model=data.get("model"),
        allowed_tools=data.get("allowedTools") or session.allowed_tools,
        context=session.context,
        resume=conversation,
        trusted=session.project_path in trusted,
        private_directory=str(private_directory(attempt.pk)),
    )
