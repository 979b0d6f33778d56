"""A last check before a command line is made: a row may have been edited in the database."""

import uuid

from django.core.exceptions import ValidationError

from jobs_app.agents.base import Turn
from sessions_app.validation import (
    printable,
    validate_effort,
    validate_model,
    validate_prompt,
    validate_text,
    validate_tools,
)


class NotAConversation(ValidationError):
    """A tool has named its conversation by what no tool resumes."""


def checked(turn: Turn) -> None:
    """Raise ValidationError, in one sentence, for what must not become an argument."""
    validate_prompt(turn.prompt)
    validate_tools(list(turn.allowed_tools))
    validate_text("The project's path", turn.project_path)
    if turn.model is not None:
        validate_model(turn.model)
    if turn.effort is not None:
        validate_effort(turn.effort)
    if turn.resume is not None:
        _check_conversation(turn.resume)


def _check_conversation(identifier: str) -> None:
    """Both tools name conversations by UUIDs; codex 0.169.0 begins a new conversation, with
    exit code 0, when it is asked to resume anything else."""
    try:
        is_uuid = str(uuid.UUID(identifier)) == identifier.lower()
    except ValueError:
        is_uuid = False
    if not is_uuid:
        raise NotAConversation(
            f"{printable(identifier)!r} is not the id of a conversation: start a new session."
        )
