"""Attempts as leases: opened by a claim, held while a run writes, closed with job and session.

The lowest layer of the queue: `jobs_app.queue` alone calls it, inside its transactions.
"""

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from django.db import connection

from jobs_app.claiming import Claim
from jobs_app.models import Job, JobAttempt, JobStatus, SessionHost, Worker
from sessions_app import storage
from sessions_app.ids import new_id
from sessions_app.providers import Usage
from sessions_app.transcript import NewMessage, State

BACKOFF_CAP = timedelta(minutes=10)
RATE_LIMIT_WAIT = timedelta(minutes=5)
"""How long a rate-limited job waits when the agent did not say until when."""

USAGE_COLUMNS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run leaves on its attempt. `error` is a sentence for a person."""

    outcome: str
    error: str | None = None
    exit_code: int | None = None
    provider_session_id: str | None = None
    usage: Usage | None = None
    raw_usage: Any = None
    cost_usd: Decimal | None = None
    git_head_after: str | None = None


REPORT_COLUMNS = tuple(field.name for field in fields(RunReport) if field.name != "usage")
RUN_COLUMNS = ("finished_at", *REPORT_COLUMNS, *USAGE_COLUMNS)


class End(Enum):
    """The verbs that close a run."""

    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    RELEASE = "release"
    DEFER = "defer"


@dataclass(frozen=True, slots=True)
class Ending:
    """A run to close: `permanent` is for FAIL, `until` for DEFER."""

    attempt: JobAttempt
    report: RunReport
    end: End
    permanent: bool = False
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """The process of a run: `process_started` in clock ticks since boot."""

    attempt: JobAttempt
    pid: int
    process_started: int | None
    git_head: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A run to be made of a claimed job, and what is known before it: the conversation to resume,
    what its last run left for the meter, and whether somebody trusts the project."""

    attempt: JobAttempt
    conversation: str | None
    previous_usage: Any
    is_trusted: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What a run leaves: a message, the start of its process, or its end."""

    attempt: JobAttempt
    item: NewMessage | Start | Ending


TAKEN_COLUMNS = ("status", "attempts", "started_at", "next_retry_at")
JOB_COLUMNS = ("status", "error", "completed_at", "next_retry_at", "attempts")

HELD = """
SELECT id, worker_id, cancel_requested_at IS NOT NULL FROM job_attempts
WHERE finished_at IS NULL AND id {in_keys} ORDER BY id
"""


def open_attempts(worker: Worker, claims: Sequence[Claim], now: datetime) -> list[JobAttempt]:
    attempts = [
        JobAttempt(
            job=job,
            session=job.session,
            number=runs + 1,
            worker_id=worker.pk,
            host=worker.host,
            boot_id=worker.boot_id,
            started_at=now,
        )
        for job, runs, *_ in claims
    ]
    names = ("id", "job_id", "session_id", "number", "worker_id", "host", "boot_id", "started_at")
    storage.insert(JobAttempt, names, ([getattr(run, name) for name in names] for run in attempts))
    return attempts


def settle(host: str, claims: Sequence[Claim]) -> None:
    """The host of a session's first run is the session's home."""
    rows = [(new_id(), claim.job.session_id) for claim in claims if not claim.is_settled]
    storage.insert(SessionHost, ("id", "session_id"), rows, shared={"host": host})


def take(claims: Sequence[Claim], shown: Collection[str], now: datetime) -> None:
    """Let the jobs of these claims run; `shown` are those whose data has their message's id now."""
    for job, *_ in claims:
        job.status, job.attempts = JobStatus.PROCESSING, job.attempts + 1
        job.started_at, job.next_retry_at = now, None
    jobs = [claim.job for claim in claims]
    _save(TAKEN_COLUMNS, (job for job in jobs if job.pk not in shown))
    _save((*TAKEN_COLUMNS, "data"), (job for job in jobs if job.pk in shown))


def _save(names: Sequence[str], jobs: Iterable[Job]) -> None:
    storage.update(Job, names, ([getattr(job, name) for name in (*names, "id")] for job in jobs))


def states_while_running(claims: Sequence[Claim]) -> dict[str, State]:
    return {job.session_id: State(True, job.pk, JobStatus.PROCESSING) for job, *_ in claims}


def record_starts(starts: Sequence[Start]) -> None:
    """Note which process runs each of these held attempts, so that a later worker can find it."""
    rows = [(s.pid, s.process_started, s.git_head, s.attempt.pk) for s in starts]
    storage.update(JobAttempt, ("pid", "process_started", "git_head_before"), rows)


def held(attempts: Iterable[JobAttempt]) -> dict[str, bool]:
    """The held ones among these attempts, locked, and whether their job's cancel was asked for."""
    holders = {attempt.id: attempt.worker_id for attempt in attempts}
    lock = "FOR UPDATE" if connection.vendor == "postgresql" else ""
    rows = storage.select(HELD + lock, sorted(holders)) if holders else []
    return {pk: bool(asked) for pk, worker_id, asked in rows if holders[pk] == worker_id}


def close(
    endings: Sequence[Ending], cancelled: Mapping[str, bool], now: datetime
) -> dict[str, State]:
    """Close these attempts, and their jobs as that says; returns what it makes of their sessions.

    `cancelled` is what `held` said of them.
    """
    outcomes = {
        end.attempt.job_id: _job_after(end, cancelled[end.attempt.pk], now) for end in endings
    }
    storage.update(JobAttempt, RUN_COLUMNS, (_run_row(ending, now) for ending in endings))
    storage.lock(Job, outcomes)
    storage.update(Job, JOB_COLUMNS, ((*values, pk) for pk, values in outcomes.items()))
    return {
        ending.attempt.session_id: State(False, None, outcomes[ending.attempt.job_id][0])
        for ending in endings
    }


def _job_after(ending: Ending, cancelled: bool, now: datetime) -> tuple[Any, ...]:
    """The job's status, error, completed_at, next_retry_at and attempts after this end.

    The attempt's own copy of the job tells: while a lease is held nobody else changes it.
    """
    job, error = ending.attempt.job, ending.report.error
    match ending.end:
        case End.COMPLETE:
            return JobStatus.COMPLETED, error, now, None, job.attempts
        case End.CANCEL:
            return JobStatus.CANCELLED, error, now, None, job.attempts
        case _ if cancelled:
            return JobStatus.CANCELLED, error, now, None, job.attempts
        case End.RELEASE:
            return JobStatus.PENDING, error, None, None, job.attempts - 1
        case End.DEFER:
            until = ending.until or now + RATE_LIMIT_WAIT
            return JobStatus.PENDING, error, None, until, job.attempts - 1
        case End.FAIL if ending.permanent or job.attempts >= job.max_attempts:
            return JobStatus.FAILED, error, now, None, job.attempts
        case _:
            return JobStatus.PENDING, error, None, now + backoff(job.attempts), job.attempts


def _run_row(ending: Ending, now: datetime) -> tuple[Any, ...]:
    report, usage = ending.report, ending.report.usage
    tokens = [getattr(usage, name) if usage else None for name in USAGE_COLUMNS]
    facts = [getattr(report, name) for name in REPORT_COLUMNS]
    return (now, *facts, *tokens, ending.attempt.pk)


def backoff(attempts: int) -> timedelta:
    """2^attempts x 2 s, capped, with up to a quarter more so that retries do not come in step."""
    base = min(BACKOFF_CAP, timedelta(seconds=2 * 2 ** min(attempts, 20)))
    return base * (1 + random.random() / 4)  # noqa: S311 - jitter, not a secret
