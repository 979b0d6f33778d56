"""The one statement that takes jobs from the queue."""

from datetime import datetime

from django.db import connection

# Oldest first by id (ids increase with time). A job waits while its session is
# archived, at home on another host, has a run open, or has an earlier job that
# is not finished. On
# PostgreSQL a row that another worker is taking is skipped, not waited for.
TAKE = """
WITH runnable AS MATERIALIZED (
    SELECT job.id
    FROM job_queue AS job
    JOIN sessions AS session ON session.id = job.session_id
    LEFT JOIN session_hosts AS home ON home.session_id = job.session_id
    WHERE job.status = 'pending'
      AND (job.next_retry_at IS NULL OR job.next_retry_at <= %s)
      AND session.state = 'active'
      AND (home.host IS NULL OR home.host = %s)
      AND NOT EXISTS (
          SELECT 1 FROM job_attempts AS run
          WHERE run.session_id = job.session_id AND run.finished_at IS NULL
      )
      AND NOT EXISTS (
          SELECT 1 FROM job_queue AS earlier
          WHERE earlier.session_id = job.session_id
            AND earlier.id < job.id
            AND earlier.status IN ('pending', 'processing')
      )
    ORDER BY job.id
    LIMIT %s
    {lock}
)
UPDATE job_queue
SET status = 'processing', attempts = attempts + 1, started_at = %s, next_retry_at = NULL
WHERE id IN (SELECT id FROM runnable) AND status = 'pending'
RETURNING id
"""


def take(now: datetime, host: str, limit: int) -> list[str]:
    """Mark the oldest jobs that may run on this host as processing; returns their ids."""
    lock = "FOR UPDATE OF job SKIP LOCKED" if connection.vendor == "postgresql" else ""
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(TAKE.format(lock=lock), [moment, host, limit, moment])
        return [row[0] for row in cursor.fetchall()]
