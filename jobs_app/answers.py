"""What people answer to what agents ask, once, whichever way they do it.

An answer is kept as `{"decision": …}` with, where they apply:

    allow   input   the changed input, instead of what was asked
            rules   what this session also allows from now on, as entries of its allowed tools;
                    [] where the agent itself keeps count of what it was allowed (Codex)
            mode    how a plan's edits go on: "acceptEdits" or "default"
    deny    why     words for the agent
    stop            denied, and the agent's turn ends
    reply   answers question -> list of what was chosen or typed

From outside: `allow`, `deny` and `reply`. Who may is for pages to ask (`may_answer`); `by` is
the name of who does, None for the person at the shell. ValidationError says in a sentence what
is wrong with an answer, or that it comes too late.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from jobs_app import answer_words, queue, steering, who
from jobs_app.answer_checks import (
    changed_input,
    check_allowable,
    check_words,
    going_on,
    replies,
    session_rules,
)
from jobs_app.models import Job, JobAttempt, JobRequest
from sessions_app import changes
from sessions_app.models import Session
from sessions_app.validation import validate_tools

ANSWER_REQUEST = "jobs_app.answer_request"
"""The permission that each of these needs."""


def may_answer(user: PermissionsMixin | AnonymousUser) -> bool:
    return user.has_perm(ANSWER_REQUEST)


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
    check_allowable(asked)
    answer: dict[str, Any] = {"decision": "allow"}
    if input is not None:
        answer["input"] = changed_input(asked, input)
    if for_session:
        answer["rules"] = session_rules(asked)
    if mode is not None:
        answer["mode"] = going_on(asked, mode)
    _give(request, answer, by)


def deny(request: JobRequest, *, why: str = "", stop: bool = False, by: str | None = None) -> None:
    """Refuse it, in words that the agent is told; with `stop` its turn ends, and so does the job,
    also one that was parked."""
    check_words(why)
    if stop and why:
        raise ValidationError("The agent stops without hearing why: leave the words out.")
    if stop:
        _stop(request, by)
    else:
        _give(request, {"decision": "deny", "why": why}, by)


def reply(request: JobRequest, answers: Mapping[str, Any], *, by: str | None = None) -> None:
    """Answer its questions: the key of each question -> what was chosen or typed, several as a
    list."""
    asked = request.asked
    if asked.kind != "question":
        raise ValidationError(f"This is a {asked.kind}, not a question: allow it or deny it.")
    _give(request, {"decision": "reply", "answers": replies(asked, answers)}, by)


# --- giving it ------------------------------------------------------------------


def _stop(request: JobRequest, by: str | None) -> None:
    """In one transaction, so that no worker takes a parked job in between. The rows are locked in
    the order in which the end of an attempt locks them."""
    with transaction.atomic():
        open_runs = JobAttempt.objects.open().filter(job_id=request.job_id)
        is_running = bool(open_runs.select_for_update().values_list("pk"))
        list(Job.objects.filter(pk=request.job_id).select_for_update().values_list("pk"))
        _give(request, {"decision": "stop"}, by)
        if is_running:
            steering.interrupt(request.job)
        else:
            queue.cancel(request.job)


def _give(request: JobRequest, answer: dict[str, Any], by: str | None) -> None:
    """The first answer counts."""
    with transaction.atomic():
        given = JobRequest.objects.unanswered().filter(pk=request.pk)
        values = {"answered_by": by or who.this_user(), "answered_at": timezone.now()}
        if not given.update(answer=answer, **values):
            raise ValidationError(_why_not(request))
        _allow_in_session(request.session_id, answer.get("rules", []))
        if by is None:
            done = answer_words.done(request.kind, answer)
            who.log_at_shell(request, f"{who.this_user()} {done}.")
        changes.announce(changes.JOBS)
    _allow_in_job(request.job_id, answer.get("rules", []))


def _why_not(request: JobRequest) -> str:
    now = JobRequest.objects.filter(pk=request.pk).first()
    if now is None:
        return "This request no longer exists."
    if now.answered_at is not None:
        return f"{now.answered_by} has answered this already."
    return f"This request is closed: {now.get_closed_why_display()}."


def _allow_in_session(session_id: str, rules: Sequence[str]) -> None:
    """In the session's own list, so that it holds after a resume too; never in the project."""
    if rules:
        session = Session.objects.select_for_update().get(pk=session_id)
        tools = _with(session.allowed_tools, rules)
        metadata = session.metadata if isinstance(session.metadata, dict) else {}
        session.metadata = {**metadata, "allowedTools": tools}
        session.save(update_fields=["metadata", "updated_at"])


def _allow_in_job(job_id: str, rules: Sequence[str]) -> None:
    """A job that has a list of its own does not see the session's. In a transaction of its own:
    the end of an attempt locks requests and jobs in the other order."""
    if not rules:
        return
    with transaction.atomic():
        job = Job.objects.select_for_update().select_related(None).filter(pk=job_id).first()
        if job is not None and isinstance(job.data, dict) and job.data.get("allowedTools"):
            job.data = {**job.data, "allowedTools": _with(job.data["allowedTools"], rules)}
            job.save(update_fields=["data"])


def _with(tools: Sequence[str], rules: Sequence[str]) -> list[str]:
    """Checked as a person's own entries are."""
    all_tools = [*tools, *(rule for rule in rules if rule not in tools)]
    validate_tools(all_tools)
    return all_tools
