"""What follows from an attempt's end that its agent alone cannot tell, because it depends on the
attempts and messages before it: how long a job waits at a limit, and where a session whose
conversation is lost goes on. What follows is told in the transcript, once.

From outside: `settle` for `leases`, `is_told_here` and `failure_message` for the job processor.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from django.utils import timezone

from jobs_app.models import JobAttempt
from jobs_app.outcomes import Outcome, Verdict
from sessions_app.models import MessageType
from sessions_app.providers import events
from sessions_app.transcript import NewMessage

WAITS = [timedelta(minutes=minutes) for minutes in (5, 10, 20, 40, 60)]
"""How long a job at a limit waits, time after time, if the agent did not say how long."""

WAITING = (
    "It did not say until when. The job is tried again in 5 minutes, and then after longer and "
    "longer waits, at least once an hour; this notice is not repeated."
)

IN_A_ROW_LIMIT = 10
"""Attempts that are looked back upon."""


def settle(
    attempt: JobAttempt, verdict: Verdict, *, is_cancelled: bool
) -> tuple[Verdict, NewMessage | None]:
    """The verdict with what follows from it, and the message that tells it, if there is one.

    Other verdicts are told by whoever made them.
    """
    if verdict.outcome is Outcome.RATE_LIMITED:
        return _waiting(attempt, verdict, is_cancelled)
    if verdict.lost_conversation:
        return _going_back(attempt, verdict, verdict.lost_conversation)
    return verdict, None


def is_told_here(verdict: Verdict) -> bool:
    """True if `settle` gives the message on this verdict."""
    return verdict.outcome is Outcome.RATE_LIMITED or bool(verdict.lost_conversation)


def failure_message(attempt: JobAttempt, error: str, detail: str = "") -> NewMessage:
    """The error message that a failed attempt leaves in the transcript."""
    return NewMessage(
        session_id=attempt.session_id,
        provider=attempt.session.provider,
        type=MessageType.ERROR,
        content=events.error(error, detail).raw,
    )


def _waiting(
    attempt: JobAttempt, verdict: Verdict, is_cancelled: bool
) -> tuple[Verdict, NewMessage | None]:
    now, told, before = timezone.now(), verdict.retry_at, _limited_in_a_row(attempt)
    settled = replace(verdict, retry_at=_until(told, before, now))
    if before and not (told and told > now + WAITS[-1]):
        return settled, None
    text = verdict.error or "The agent is at a usage limit."
    if told is None and not is_cancelled:
        text = f"{text} {WAITING}"
    return settled, failure_message(attempt, text, verdict.detail)


def _until(told: datetime | None, limited_before: int, now: datetime) -> datetime:
    if told is None:
        return now + WAITS[min(limited_before, len(WAITS) - 1)]
    # An agent that always names a limit one second away must not be retried every second.
    return max(told, now + timedelta(seconds=2**limited_before))


def _limited_in_a_row(attempt: JobAttempt) -> int:
    """How many of the job's attempts just before this one have ended at a limit."""
    before = JobAttempt.objects.filter(job_id=attempt.job_id, number__lt=attempt.number)
    outcomes = before.order_by("-number").values_list("outcome", flat=True)[:IN_A_ROW_LIMIT]
    return len(list(takewhile(Outcome.RATE_LIMITED.__eq__, outcomes)))


def _going_back(
    attempt: JobAttempt, verdict: Verdict, lost: str
) -> tuple[Verdict, NewMessage | None]:
    """Another conversation of the session may still be there: the last one before the lost one.

    The message names it, so that the next attempt resumes it.
    """
    earlier = _conversation_before(attempt, lost)
    if earlier is None:
        return verdict, failure_message(attempt, verdict.error or "", verdict.detail)
    text = (
        f"The conversation {lost} cannot be resumed, so the session goes on in the one before it, "
        f"{earlier}. What was said only in the former is not known there."
    )
    message = NewMessage(
        session_id=attempt.session_id,
        provider=attempt.session.provider,
        type=MessageType.RESULT,
        content=events.resumption(text).raw,
        provider_session_id=earlier,
    )
    # Free only after a job's first attempt: if all conversations are lost, it must end some time.
    at_once = timezone.now() if attempt.number == 1 else None
    return replace(verdict, error=text, permanent=False, retry_at=at_once), message


def _conversation_before(attempt: JobAttempt, lost: str) -> str | None:
    kinds = (MessageType.ASSISTANT, MessageType.USER, MessageType.RESULT)
    named = attempt.session.messages.filter(type__in=kinds, provider_session_id__isnull=False)
    # By the session too, or PostgreSQL walks the primary key through all sessions' messages.
    others = named.exclude(provider_session_id=lost).order_by("-session_id", "-id")
    return others.values_list("provider_session_id", flat=True).first()
