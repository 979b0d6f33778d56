"""Which jobs of the queue may run now, found quickly however long it is.

Most often one of the oldest pending jobs may run, so those are tried first. Where
a long queue begins with many that may not, the first unfinished job of each session
is tried: no other can be claimed, however many prompts wait behind it.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from jobs_app.models import Job
from sessions_app import storage, transcript
from sessions_app.models import Session

WINDOW = 100
"""How many of the oldest pending jobs are tried first, beside as many as are wanted."""

# PostgreSQL has no fresh statistics when a queue has just become long, and takes it for
# empty. What must be looked up in it row by row is written so that it cannot be joined.
OLDEST = {
    "candidates": """
candidate AS MATERIALIZED (
    SELECT id FROM job_queue {by_id} WHERE status = 'pending' ORDER BY id LIMIT {window}
)
""",
    "jobs": "job_queue AS job {by_id}",
    "chosen": """
job.status = 'pending'
AND job.id <= (SELECT MAX(id) FROM candidate)
AND job.id = (
    SELECT first.id
    FROM job_queue AS first {by_session}
    WHERE first.session_id = job.session_id AND first.status IN ('pending', 'processing')
    ORDER BY first.session_id, first.id
    LIMIT 1
)
""",
}

# From each session with unfinished jobs to the next in one step of the index on both.
FIRST_OF_SESSION = {
    "candidates": """
RECURSIVE candidate(id, session_id) AS MATERIALIZED (
    SELECT '', ''
    UNION ALL
    SELECT job.id, job.session_id
    FROM candidate
    CROSS JOIN job_queue AS job
    WHERE job.id = (
        SELECT next.id
        FROM job_queue AS next {by_session}
        WHERE next.status IN ('pending', 'processing') AND next.session_id > candidate.session_id
        ORDER BY next.session_id, next.id
        LIMIT 1
    )
)
""",
    "jobs": "candidate CROSS JOIN job_queue AS job",
    # COALESCE hides that the index of all pending jobs could be read instead.
    "chosen": "job.id = candidate.id AND COALESCE(job.status, '') = 'pending'",
}

JOB_COLUMNS = ("id", "session_id", "prompt_id", "status", "data", "attempts", "max_attempts")
SESSION_COLUMNS = ("provider", "project_path", "context", "metadata")

LAST_RUN = """
(SELECT MAX(run.number) FROM job_attempts AS run WHERE run.job_id = runnable.id)
"""

IS_SETTLED = """
EXISTS (SELECT 1 FROM session_hosts AS home WHERE home.session_id = runnable.session_id)
"""

IS_TRUSTED = """
EXISTS (SELECT 1 FROM project_trusts AS trust WHERE trust.path = runnable.project_path)
"""

# The last run of the session that left its usage.
METERED = """
(SELECT MAX(run.id) FROM job_attempts AS run
 WHERE run.session_id = runnable.session_id AND run.raw_usage IS NOT NULL)
"""

# What it left, if the conversation is still the one it was part of.
USAGE = """
(SELECT run.raw_usage FROM job_attempts AS run
 WHERE run.id = known.metered AND run.provider_session_id = known.conversation)
"""

# Oldest first by id (ids increase with time). A job waits while its session is
# archived, at home on another host, has a run open, or has an earlier job that
# is not finished. On PostgreSQL a row that another worker is taking is skipped,
# not waited for; what is read beside the lock is what the row holds once locked.
RUNNABLE = f"""
WITH {{candidates}},
runnable AS MATERIALIZED (
    SELECT {", ".join(f"job.{name}" for name in JOB_COLUMNS)},
           {", ".join(f"session.{name}" for name in SESSION_COLUMNS)}
    FROM {{jobs}}
    JOIN sessions AS session ON session.id = job.session_id
    LEFT JOIN session_hosts AS home ON home.session_id = job.session_id
    WHERE {{chosen}}
      AND (job.next_retry_at IS NULL OR job.next_retry_at <= %s)
      AND session.state = 'active'
      AND (home.host IS NULL OR home.host = %s)
      AND NOT EXISTS (
          SELECT 1 FROM job_attempts AS run
          WHERE run.session_id = job.session_id AND run.finished_at IS NULL
      )
    ORDER BY job.id
    LIMIT %s
    {{lock}}
),
known AS MATERIALIZED (
    SELECT runnable.*, {METERED} AS metered,
           {LAST_RUN} AS last_run, {IS_SETTLED} AS is_settled, {IS_TRUSTED} AS is_trusted,
           {transcript.LAST_ID.format(session_id="runnable.session_id")} AS last_message,
           {transcript.CONVERSATION.format(session_id="runnable.session_id")} AS conversation
    FROM runnable
)
SELECT {", ".join(f"known.{name}" for name in (*JOB_COLUMNS, *SESSION_COLUMNS))},
       last_run, is_settled, is_trusted, last_message, conversation, {USAGE},
       (SELECT COUNT(*) FROM candidate)
FROM known ORDER BY known.id
"""  # noqa: S608 - our own names

IS_LONG = "SELECT 1 FROM job_queue {by_id} WHERE status = 'pending' LIMIT 1 OFFSET {window}"

# SQLite, which keeps no statistics of its own accord, would prefer the index on status.
DIALECTS = {
    "sqlite": {
        "by_id": "INDEXED BY idx_job_queue_runnable",
        "by_session": "INDEXED BY idx_job_queue_session_order",
        "lock": "",
    },
    "postgresql": {"by_id": "", "by_session": "", "lock": "FOR UPDATE OF job SKIP LOCKED"},
}


# Of the sessions of a claim, by its transaction's next statement: PostgreSQL looks at the rows
# beside those that it locks as they were when the statement began.
STILL_HERE = """
NOT EXISTS (
    SELECT 1 FROM sessions AS session
    LEFT JOIN session_hosts AS home ON home.session_id = session.id
    WHERE session.id = ANY(%b::text[]) AND (session.state <> 'active' OR home.host <> %s)
)
"""


class Claim(NamedTuple):
    """A job that may run, with its session, and what a claim and its run need to know.

    `runs` is how many it had before, `is_settled` whether its session has a host already,
    `last_message` the id of its session's last one, `conversation` the provider's id of the
    one to resume, and `usage` what its last run left for the meter.
    """

    job: Job
    runs: int
    is_settled: bool
    is_trusted: bool
    last_message: str | None
    conversation: str | None
    usage: Any


def runnable(now: datetime, host: str, limit: int) -> list[Claim]:
    """The oldest jobs that may run on this host, locked until the transaction ends."""
    window = WINDOW + limit
    rows = _runnable(OLDEST, now, host, limit, window)
    if len(rows) < limit and _is_longer_than(window, rows):
        rows = _runnable(FIRST_OF_SESSION, now, host, limit, window)
    return _claims(rows)


def require_still_here(claims: Sequence[Claim], host: str) -> None:
    """Raise storage.Unmet if one of the sessions was moved or archived while its job was locked."""
    if connection.vendor == "postgresql":
        storage.require(STILL_HERE, [claim.job.session_id for claim in claims], host)


def _runnable(
    source: dict[str, str], now: datetime, host: str, limit: int, window: int
) -> list[tuple[Any, ...]]:
    words = {**DIALECTS[connection.vendor], "window": window}
    parts = {name: text.format(**words) for name, text in source.items()}
    moment = connection.ops.adapt_datetimefield_value(now)
    return storage.select(RUNNABLE.format(**words, **parts), [], moment, host, limit)


def _is_longer_than(window: int, found: list[tuple[Any, ...]]) -> bool:
    if found:
        return bool(found[0][-1] == window)
    return bool(storage.select(IS_LONG.format(**DIALECTS[connection.vendor], window=window), []))


def _claims(rows: list[tuple[Any, ...]]) -> list[Claim]:
    width = len(JOB_COLUMNS)
    end = width + len(SESSION_COLUMNS)
    jobs = storage.instances(Job, JOB_COLUMNS, (row[:width] for row in rows))
    ours = ([job.session_id, *row[width:end]] for job, row in zip(jobs, rows, strict=True))
    sessions = storage.instances(Session, ("id", *SESSION_COLUMNS), ours)
    for job, session in zip(jobs, sessions, strict=True):
        job.session = session
    return [_claim(job, *row[end:-1]) for job, row in zip(jobs, rows, strict=True)]


def _claim(
    job: Job,
    last_run: int | None,
    is_settled: int,
    is_trusted: int,
    last_message: str | None,
    conversation: str | None,
    usage: str | None,
) -> Claim:
    settled, trusted = bool(is_settled), bool(is_trusted)
    return Claim(job, last_run or 0, settled, trusted, last_message, conversation, _parsed(usage))


def _parsed(usage: str | None) -> Any:
    try:
        return None if usage is None else json.loads(usage)
    except ValueError:  # edited behind our back: the meter starts from nothing
        return None
