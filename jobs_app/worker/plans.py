"""What a claimed job asks of its agent, and where its run keeps private files."""

import os
import shutil

from django.conf import settings
from django.core.exceptions import ValidationError

from jobs_app.agents.base import Request
from jobs_app.leases import Plan
from jobs_app.models import validate_job_data
from sessions_app.providers import PROVIDERS


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
