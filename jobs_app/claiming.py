"""The statements that take jobs from the queue, however long it is.

Most often one of the oldest pending jobs may run, so those are tried first. Where
a long queue begins with many that may not, the first unfinished job of each session
is tried: no other can be claimed, however many prompts wait behind it.
"""

from datetime import datetime
from typing import Any

from django.db import connection

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

# Oldest first by id (ids increase with time). A job waits while its session is
# archived, at home on another host, has a run open, or has an earlier job that
# is not finished. On PostgreSQL a row that another worker is taking is skipped,
# not waited for.
TAKE = """
WITH {candidates},
runnable AS MATERIALIZED (
    SELECT job.id
    FROM {jobs}
    JOIN sessions AS session ON session.id = job.session_id
    LEFT JOIN session_hosts AS home ON home.session_id = job.session_id
    WHERE {chosen}
      AND (job.next_retry_at IS NULL OR job.next_retry_at <= %s)
      AND session.state = 'active'
      AND (home.host IS NULL OR home.host = %s)
      AND NOT EXISTS (
          SELECT 1 FROM job_attempts AS run
          WHERE run.session_id = job.session_id AND run.finished_at IS NULL
      )
    ORDER BY job.id
    LIMIT %s
    {lock}
)
UPDATE job_queue
SET status = 'processing', attempts = attempts + 1, started_at = %s, next_retry_at = NULL
WHERE id IN (SELECT id FROM runnable)
RETURNING id, (SELECT COUNT(*) FROM candidate)
"""

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


def take(now: datetime, host: str, limit: int) -> list[str]:
    """Mark the oldest jobs that may run on this host as processing; returns their ids."""
    window = WINDOW + limit
    rows = _take(OLDEST, now, host, limit, window)
    if len(rows) < limit and _is_longer_than(window, rows):
        rows += _take(FIRST_OF_SESSION, now, host, limit - len(rows), window)
    return [job_id for job_id, _ in rows]


def _take(
    source: dict[str, str], now: datetime, host: str, limit: int, window: int
) -> list[tuple[str, int]]:
    """The ids of the jobs taken, each with the number of those tried."""
    words = {**DIALECTS[connection.vendor], "window": window}
    parts = {name: text.format(**words) for name, text in source.items()}
    moment = connection.ops.adapt_datetimefield_value(now)
    return _rows(TAKE.format(**words, **parts), moment, host, limit, moment)


def _is_longer_than(window: int, taken: list[tuple[str, int]]) -> bool:
    if taken:
        return taken[0][1] == window
    return bool(_rows(IS_LONG.format(**DIALECTS[connection.vendor], window=window)))


def _rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()
