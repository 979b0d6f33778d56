"""A queue that has been in use for long: jobs that ended by the million, each with its attempt."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from sessions_app.models import Session

NUMBERS = """
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < {last})
"""

# Ids that increase with the number and come before all ids of today.
ID = "'01900000-0000-7000-8000-' || CAST(100000000000 + {} AS text)"

# One job after the other is of a session far away in the index, as in life.
SESSION_OF_JOB = "CAST(n AS bigint) * 7919 %% {sessions}"

MOMENTS = {
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', '{start}', (n * {step}) || ' seconds')",
    "postgresql": "timestamptz '{start}+00' + n * {step} * interval '1 second'",
}

SESSIONS = """
INSERT INTO sessions (id, provider, project_path, name, created_at, updated_at, last_accessed_at)
{numbers} SELECT {id}, 'claude-code', '{path}', 'Session ' || n, {moment}, {moment}, {moment}
FROM number
"""

HOSTS = """
INSERT INTO session_hosts (id, session_id, host) SELECT id, id, '{host}' FROM sessions
"""

JOBS = """
INSERT INTO job_queue
    (id, session_id, prompt_id, status, data, attempts, created_at, started_at, completed_at)
{numbers} SELECT
    {id}, {session}, {id},
    CASE WHEN n %% 20 > 0 THEN 'completed' WHEN n %% 40 > 0 THEN 'failed' ELSE 'cancelled' END,
    '{{"prompt": "{prompt}", "projectPath": "{path}"}}', 1, {moment}, {moment}, {moment}
FROM number
"""

ATTEMPTS = """
INSERT INTO job_attempts
    (id, job_id, session_id, number, worker_id, host, boot_id, started_at, finished_at, outcome)
{numbers} SELECT
    {id}, {id}, {session}, 1, '{worker}', '{host}', '', {moment}, {moment}, 'succeeded'
FROM number
"""


def fill(path: str, jobs: int, sessions: int, old: float, worker: Any) -> None:
    """So many ended jobs, the last one now, the share `old` of them longer ago than they are kept.

    The worker ran all of them.
    """
    span = timedelta(days=30) / (1 - old)
    values = {
        "id": ID.format("n"),
        "session": ID.format(SESSION_OF_JOB.format(sessions=sessions)),
        "moment": _moment(timezone.now() - span, span.total_seconds() / jobs),
        "path": path,
        "prompt": "Look into the failing test of the checkout. " * 5,
        "host": worker.host,
        "worker": worker.pk,
    }
    counts = {SESSIONS: sessions, HOSTS: 1, JOBS: jobs, ATTEMPTS: jobs}
    with transaction.atomic(), connection.cursor() as cursor:
        for statement, count in counts.items():
            numbers = NUMBERS.format(last=count - 1)
            cursor.execute(statement.format(numbers=numbers, **values), [])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # what its own housekeeping does in time
            cursor.execute("VACUUM ANALYZE")


def some_sessions(count: int) -> list[Session]:
    return list(Session.objects.order_by("pk")[:count])


def _moment(start: datetime, step: float) -> str:
    text = start.strftime("%Y-%m-%d %H:%M:%S")
    return MOMENTS[connection.vendor].format(start=text, step=step)
