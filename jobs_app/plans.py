"""What a run needs to know from the database before it starts, read for many runs at once."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from jobs_app.agents.base import Request
from jobs_app.models import JobAttempt, validate_job_data
from jobs_app.trusts import trusted_paths
from sessions_app import bulk, transcript
from sessions_app.providers import PROVIDERS


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known before one run: the conversation to resume, what its last run left for the
    meter, and whether somebody trusts the project."""

    attempt: JobAttempt
    conversation: str | None
    previous_usage: Any
    is_trusted: bool


def load(attempts: Sequence[JobAttempt]) -> list[Plan]:
    """A plan for each of these claimed attempts, in three queries whatever their number."""
    conversations = transcript.conversation_ids([attempt.session_id for attempt in attempts])
    usages = _previous_usages({pk: name for pk, name in conversations.items() if name})
    trusted = trusted_paths({attempt.session.project_path for attempt in attempts})
    return [
        Plan(
            attempt,
            conversations.get(attempt.session_id),
            usages.get(attempt.session_id),
            attempt.session.project_path in trusted,
        )
        for attempt in attempts
    ]


def request(plan: Plan) -> Request:
    """What to ask of the agent; ValidationError if the rows were changed behind our back."""
    session, data = plan.attempt.session, plan.attempt.job.data
    validate_job_data(data)
    if session.provider not in PROVIDERS:
        raise ValidationError(f"The session's provider {session.provider!r} is unknown: mend it.")
    path = session.project_path
    return Request(
        run_id=plan.attempt.pk,
        prompt=data["prompt"],
        project_path=path,
        model=data.get("model"),
        allowed_tools=data.get("allowedTools") or session.allowed_tools,
        context=session.context,
        resume=plan.conversation,
        # A trusted directory may have become a link to one that nobody looked at.
        trusted=plan.is_trusted and os.path.realpath(path) == path,
        private_directory=private_directory(plan.attempt.pk),
    )


def private_directory(attempt_id: str) -> str:
    """Where a run keeps its private files, below the data directory; made when it needs one."""
    return os.path.join(settings.POKECODE_DATA_DIR, "runs", attempt_id)


def remove_private_files(attempt_id: str) -> None:
    directory = private_directory(attempt_id)
    if os.path.isdir(directory):
        shutil.rmtree(directory, ignore_errors=True)


# The last run of each session that left its usage, and of which conversation it was.
USAGES = """
SELECT run.session_id, run.provider_session_id, run.raw_usage
FROM job_attempts AS run
WHERE run.id IN (
    SELECT (SELECT MAX(last.id) FROM job_attempts AS last
            WHERE last.session_id = session.id AND last.raw_usage IS NOT NULL)
    FROM sessions AS session WHERE session.id {in_keys}
)
"""


def _previous_usages(conversations: dict[str, str]) -> dict[str, Any]:
    if not conversations:
        return {}
    rows = bulk.select(USAGES, list(conversations))
    return {pk: _parsed(raw) for pk, name, raw in rows if name == conversations[pk]}


def _parsed(raw: str) -> Any:
    try:
        return json.loads(raw)
    except ValueError:  # edited behind our back: the meter starts from nothing
        return None
