"""What follows from an attempt's end: what becomes of its job, and what its agent alone cannot
tell, because it depends on the attempts and messages before it: how long a job waits at a limit,
and where a session whose conversation is lost goes on. The latter is told in the transcript, once.

From outside: `settle` and `job_after` for `leases`, `is_told_here` and `failure_message` for the
job processor.
"""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import NamedTuple

from django.utils import timezone

from jobs_app.models import Job, JobAttempt, JobStatus
from jobs_app.outcomes import Outcome, Verdict
from sessions_app.models import MessageType
from sessions_app.providers import events
from sessions_app.transcript import NewMessage

BACKOFF_CAP = timedelta(minutes=10)

WAITS = [timedelta(minutes=minutes) for minutes in (5, 10, 20, 40, 60)]
"""How long a job at a limit waits, time after time, if the agent did not say how long."""

WAITING = (
    "It did not say until when. The job is tried again in 5 minutes, and then after longer and "
    "longer waits, at least once an hour; this notice is not repeated."
)

IN_A_ROW_LIMIT = 10
"""Attempts that are looked back upon."""


class JobAfter(NamedTuple):
    """Values of a job once its attempt has ended."""

    status: str
    error: str | None
    completed_at: datetime | None
    next_retry_at: datetime | None
    attempts: int
    id: str


def job_after(
    job: Job, verdict: Verdict, now: datetime, *, is_cancelled: bool, is_waiting: bool
) -> JobAfter:
    """The state of a job after the end of an attempt. Waiting for a person costs no attempt, and
    ends with none: whatever became of the process that asked, the job goes on from the answer.

    The attempt's own copy of the job is used: while a lease is held nobody else changes it.

    A cancel, or an interrupt, counts in two places. If the worker has stopped the agent for it,
    `Run._judge` makes that the verdict, unless the agent had succeeded by then. If it came too late
    for the worker to see, `is_cancelled` says here that a job whose attempt ended otherwise is not
    to run again.
    """
    error, spent = verdict.error, job.attempts
    match verdict.outcome:
        case Outcome.SUCCEEDED:
            return JobAfter(JobStatus.COMPLETED, error, now, None, spent, job.pk)
        case Outcome.CANCELLED:
            return JobAfter(JobStatus.CANCELLED, error, now, None, spent, job.pk)
        case _ if is_cancelled:
            return JobAfter(JobStatus.CANCELLED, error, now, None, spent, job.pk)
        case Outcome.INTERRUPTED:
            return JobAfter(JobStatus.PENDING, error, None, None, spent - 1, job.pk)
        case _ if is_waiting and not verdict.permanent:
            return JobAfter(JobStatus.PENDING, error, None, None, spent - 1, job.pk)
        case _ if verdict.retry_at:
            return JobAfter(JobStatus.PENDING, error, None, verdict.retry_at, spent - 1, job.pk)
        case _ if verdict.permanent or spent >= job.max_attempts:
            return JobAfter(JobStatus.FAILED, error, now, None, spent, job.pk)
        case _:
            return JobAfter(JobStatus.PENDING, error, None, now + backoff(spent), spent, job.pk)


def backoff(attempts: int) -> timedelta:
    """2^attempts x 2 s, capped, with up to a quarter more so that retries do not coincide."""
    base = min(BACKOFF_CAP, timedelta(seconds=2 * 2 ** min(attempts, 20)))
    return base * (1 + random.random() / 4)  # noqa: S311 - jitter, not a secret


# --- told in the transcript ---------------------------------------------------


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
