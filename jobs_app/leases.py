"""Attempts as leases: opened by a claim, held while a run writes, closed with job and session.

The lowest layer of the queue: `jobs_app.queue` alone calls it, inside its transactions.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connection

from jobs_app.models import Job, JobAttempt, JobStatus, SessionHost, Worker
from sessions_app import bulk
from sessions_app.ids import new_id
from sessions_app.models import Session
from sessions_app.providers import Usage

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


JOB_COLUMNS = ("id", "session_id", "prompt_id", "status", "data", "attempts", "max_attempts")
SESSION_COLUMNS = ("id", "provider", "project_path", "context", "metadata")

CLAIMED = f"""
SELECT {", ".join(f"job.{name}" for name in JOB_COLUMNS)},
       {", ".join(f"session.{name}" for name in SESSION_COLUMNS)},
       (SELECT MAX(run.number) FROM job_attempts AS run WHERE run.job_id = job.id),
       EXISTS (SELECT 1 FROM session_hosts AS home WHERE home.session_id = session.id)
FROM job_queue AS job JOIN sessions AS session ON session.id = job.session_id
WHERE job.id IN ({{keys}}) ORDER BY job.id
"""  # noqa: S608 - our own names

HELD = """
SELECT id, worker_id, cancel_requested_at IS NOT NULL FROM job_attempts
WHERE finished_at IS NULL AND id IN ({keys}) ORDER BY id
"""


class Claim(NamedTuple):
    """A job just claimed, with its session; `runs` is how many it had before, `is_settled`
    whether its session has a host already."""

    job: Job
    runs: int
    is_settled: bool


def claimed(job_ids: Sequence[str]) -> list[Claim]:
    """All that a claim and its run need of these jobs, in one statement."""
    rows = bulk.select(CLAIMED, job_ids)
    width = len(JOB_COLUMNS)
    jobs = bulk.instances(Job, JOB_COLUMNS, (row[:width] for row in rows))
    sessions = bulk.instances(Session, SESSION_COLUMNS, (row[width:-2] for row in rows))
    for job, session in zip(jobs, sessions, strict=True):
        job.session = session
    return [Claim(job, row[-2] or 0, bool(row[-1])) for job, row in zip(jobs, rows, strict=True)]


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
        for job, runs, _ in claims
    ]
    names = ("id", "job_id", "session_id", "number", "worker_id", "host", "boot_id", "started_at")
    bulk.insert(JobAttempt, names, ([getattr(run, name) for name in names] for run in attempts))
    return attempts


def settle(host: str, claims: Sequence[Claim]) -> None:
    """The host of a session's first run is the session's home."""
    rows = [(new_id(), claim.job.session_id) for claim in claims if not claim.is_settled]
    bulk.insert(SessionHost, ("id", "session_id"), rows, shared={"host": host})


def mark_working(attempts: Sequence[JobAttempt], now: datetime) -> None:
    names = ("is_working", "current_job_id", "last_job_status", "updated_at")
    rows = [(True, run.job_id, JobStatus.PROCESSING, now, run.session_id) for run in attempts]
    bulk.update(Session, names, sorted(rows, key=itemgetter(-1)))


def held(attempts: Iterable[JobAttempt]) -> dict[str, bool]:
    """The held ones among these attempts, locked, and whether their job's cancel was asked for."""
    holders = {attempt.id: attempt.worker_id for attempt in attempts}
    lock = "FOR UPDATE" if connection.vendor == "postgresql" else ""
    rows = bulk.select(HELD + lock, sorted(holders)) if holders else []
    return {pk: bool(asked) for pk, worker_id, asked in rows if holders[pk] == worker_id}


def close(endings: Sequence[Ending], cancelled: set[str], now: datetime) -> None:
    states = [_state_after(ending, ending.attempt.pk in cancelled, now) for ending in endings]
    bulk.update(JobAttempt, RUN_COLUMNS, (_run_row(ending, now) for ending in endings))
    bulk.update(
        Job,
        ("status", "error", "completed_at", "next_retry_at", "attempts"),
        ((*state, end.attempt.job_id) for state, end in zip(states, endings, strict=True)),
    )
    sessions = [
        (False, None, state[0], now, ending.attempt.session_id)
        for state, ending in zip(states, endings, strict=True)
    ]
    names = ("is_working", "current_job_id", "last_job_status", "updated_at")
    bulk.update(Session, names, sorted(sessions, key=itemgetter(-1)))


def _state_after(ending: Ending, cancelled: bool, now: datetime) -> tuple[Any, ...]:
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
