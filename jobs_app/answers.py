"""What people answer to what agents ask, once, whichever way they do it.

An answer is kept as `{"decision": …}` with, where they apply:

    allow   input   the changed input, instead of what was asked
            rules   what this session also allows from now on, as entries of its allowed tools;
                    [] where the agent itself keeps count of what it was allowed (Codex)
            mode    how a plan's edits go on: "acceptEdits" or "default"
    deny    why     words for the agent
    stop            denied, and the agent's turn ends
    reply   answers question -> list of what was chosen or typed

From outside: `allow`, `deny` and `reply`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from jobs_app.models import JobRequest
from jobs_app.who import this_user
from sessions_app import changes
from sessions_app.models import Session
from sessions_app.providers import Asked
from sessions_app.validation import validate_text, validate_tools

ANSWER_REQUEST = "jobs_app.answer_request"
"""The permission that each of these needs."""

WORDS_LIMIT = 100_000
"""Characters of one answer's words."""

MODES = ("acceptEdits", "default")


def allow(
    request: JobRequest,
    *,
    input: Mapping[str, Any] | None = None,
    for_session: bool = False,
    mode: str | None = None,
    by: str | None = None,
) -> None:
    """Let the agent do what it asks for: once, or also from now on in this session."""
    asked = request.asked
    if asked.kind == "question":
        raise ValidationError("This is a question: answer it, or deny it.")
    answer: dict[str, Any] = {"decision": "allow"}
    if input is not None:
        answer["input"] = _changed(asked, input)
    if for_session:
        answer["rules"] = _rules(request, asked)
    if mode is not None:
        answer["mode"] = _mode(asked, mode)
    _give(request, answer, by)


def deny(request: JobRequest, *, why: str = "", stop: bool = False, by: str | None = None) -> None:
    """Refuse it, in words that the agent is told; with `stop` its turn ends."""
    _check_words(why)
    if stop and why:
        raise ValidationError("The agent stops without hearing why: leave the words out.")
    _give(request, {"decision": "stop"} if stop else {"decision": "deny", "why": why}, by)


def reply(request: JobRequest, answers: Mapping[str, Any], *, by: str | None = None) -> None:
    """Answer its questions: the key of each question -> what was chosen or typed."""
    asked = request.asked
    if asked.kind != "question":
        raise ValidationError(f"This is a {asked.kind}, not a question: allow it or deny it.")
    _give(request, {"decision": "reply", "answers": _replies(asked, answers)}, by)


# --- what an answer may hold --------------------------------------------------


def _changed(asked: Asked, input: Mapping[str, Any]) -> dict[str, Any]:
    if not asked.may_change:
        raise ValidationError("What is asked here cannot be changed: allow it or deny it.")
    if not isinstance(input, Mapping):
        raise ValidationError('The changed input must be an object, such as {"command": "ls"}.')
    return dict(input)


def _rules(request: JobRequest, asked: Asked) -> list[str]:
    if not asked.may_allow_session:
        raise ValidationError("This can be allowed only once.")
    return list(asked.rules)


def _mode(asked: Asked, mode: str) -> str:
    if asked.kind != "plan" or mode not in MODES:
        raise ValidationError(f"{mode!r} is not a way to go on: use {' or '.join(MODES)}.")
    return mode


def _replies(asked: Asked, answers: Mapping[str, Any]) -> dict[str, list[str]]:
    keys = [question.key for question in asked.questions]
    if not isinstance(answers, Mapping) or set(answers) != set(keys):
        raise ValidationError(f"Answer each of the {len(keys)} questions, and nothing else.")
    replies = {}
    for question in asked.questions:
        chosen = answers[question.key]
        chosen = [chosen] if isinstance(chosen, str) else chosen
        if not isinstance(chosen, list) or not chosen or not all(map(_is_text, chosen)):
            raise ValidationError(f"Choose or type an answer to {question.text!r}.")
        if len(chosen) > 1 and not question.takes_several:
            raise ValidationError(f"Choose one answer to {question.text!r}.")
        _check_words("".join(chosen))
        replies[question.key] = list(chosen)
    return replies


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _check_words(text: str) -> None:
    validate_text("The answer", text)
    if len(text) > WORDS_LIMIT:
        raise ValidationError(f"The answer is too long: use at most {WORDS_LIMIT:,} characters.")


# --- giving it ------------------------------------------------------------------


def _give(request: JobRequest, answer: dict[str, Any], by: str | None) -> None:
    """The first answer counts; ValidationError says why a later one does not."""
    with transaction.atomic():
        given = JobRequest.objects.unanswered().filter(pk=request.pk)
        values = {"answered_by": by or this_user(), "answered_at": timezone.now()}
        if not given.update(answer=answer, **values):
            raise ValidationError(_why_not(request))
        if answer.get("rules"):
            _allow_in_session(request.session_id, answer["rules"])
        changes.announce(changes.JOBS)


def _why_not(request: JobRequest) -> str:
    now = JobRequest.objects.filter(pk=request.pk).first()
    if now is None:
        return "This request no longer exists."
    if now.answered_at is not None:
        return f"{now.answered_by} has answered this already."
    return f"This request is closed: {now.get_closed_why_display()}."


def _allow_in_session(session_id: str, rules: Sequence[str]) -> None:
    """In the session's own list, so that it holds after a resume too; never in the project."""
    session = Session.objects.select_for_update().get(pk=session_id)
    tools = [*session.allowed_tools, *(r for r in rules if r not in session.allowed_tools)]
    validate_tools(tools)
    session.metadata = {**(session.metadata or {}), "allowedTools": tools}
    session.save(update_fields=["metadata", "updated_at"])
