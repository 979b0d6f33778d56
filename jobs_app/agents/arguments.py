"""A last check before a command line is made: a row may have been edited in the database."""

import uuid

from django.core.exceptions import ValidationError

from jobs_app.agents.base import Request
from sessions_app.validation import (
    printable,
    validate_model,
    validate_prompt,
    validate_text,
    validate_tools,
)


def checked(request: Request) -> None:
    """ValidationError, in one sentence, for what must not become an argument."""
    validate_prompt(request.prompt)
    validate_tools(list(request.allowed_tools))
    validate_text("The project's path", request.project_path)
    if request.model is not None:
        validate_model(request.model)
    if request.resume is not None:
        _check_conversation(request.resume)


def _check_conversation(identifier: str) -> None:
    """Both tools name conversations by UUIDs; codex 0.169.0 begins a new conversation, with
    exit code 0, when it is asked to resume anything else."""
    try:
        is_uuid = str(uuid.UUID(identifier)) == identifier.lower()
    except ValueError:
        is_uuid = False
    if not is_uuid:
        raise ValidationError(
            f"{printable(identifier)!r} is not the id of a conversation: start a new session."
        )
