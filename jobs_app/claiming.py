"""Which jobs of the queue may run now, found quickly however long it is.

Oldest first by id (ids increase with time). A job waits until its next retry is due,
while an earlier one of its session is not finished, and while its session is archived,
has an open attempt, or belongs to another host; and while it waits for a person's answer.

Most often one of the oldest pending jobs may run, so a window of those is tried first.
Where a long queue begins with many that may not, the first unfinished job of each
session is tried: no other can be claimed, however many prompts wait after it.

From outside: `runnable`, `Claim` and `Facts` for `leases`, and for the job processor
`may_have_runnable`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from jobs_app.models import Job, JobAttempt, JobRequest, JobStatus
from sessions_app.models import Session, SessionMessage
from sessions_app.storage import among

WINDOW = 100
"""How many of the oldest pending jobs are tried first, in addition to as many as are wanted."""

# The jobs that may run, the number of the last attempt at each, its own options, whether it has
# answers that no agent has heard, and how many jobs were in the window. The parameters are the
# size of the window, whether the first job of each session is tried instead, the time, the host,
# and how many are wanted.
#
# `head` goes from each session with unfinished jobs to the next in one step of the index.
# SQLite keeps no statistics by itself, so each query names the index to use.
RUNNABLE_SQLITE = """
WITH RECURSIVE
oldest(id) AS (
    SELECT id FROM job_queue INDEXED BY idx_job_queue_runnable
    WHERE status = 'pending' ORDER BY id LIMIT %s
),
head(id, session_id) AS (
    SELECT '', '' WHERE %s
    UNION ALL
    SELECT job.id, job.session_id
    FROM head
    CROSS JOIN job_queue AS job
    WHERE job.id = (
        SELECT next.id FROM job_queue AS next INDEXED BY idx_job_queue_session_order
        WHERE next.status IN ('pending', 'processing') AND next.session_id > head.session_id
        ORDER BY next.session_id, next.id LIMIT 1
    )
),
candidate(id) AS (SELECT id FROM oldest UNION SELECT id FROM head)
SELECT
    job.*,
    (SELECT COUNT(*) FROM oldest) AS tried,
    (SELECT MAX(run.number) FROM job_attempts AS run WHERE run.job_id = job.id) AS last_run,
    (SELECT approvals FROM job_options WHERE job_id = job.id) AS approvals,
    (SELECT images FROM job_options WHERE job_id = job.id) AS images,
    EXISTS (
        SELECT 1 FROM job_requests AS request
        WHERE request.job_id = job.id AND request.closed_at IS NULL
    ) AS has_request
FROM candidate
CROSS JOIN job_queue AS job ON job.id = candidate.id
JOIN sessions AS session ON session.id = job.session_id
LEFT JOIN session_hosts AS own ON own.session_id = job.session_id
WHERE job.status = 'pending'
  AND (job.next_retry_at IS NULL OR job.next_retry_at <= %s)
  AND session.state = 'active'
  AND (own.host IS NULL OR own.host = %s)
  AND job.id = (
      SELECT first.id FROM job_queue AS first INDEXED BY idx_job_queue_session_order
      WHERE first.session_id = job.session_id AND first.status IN ('pending', 'processing')
      ORDER BY first.session_id, first.id LIMIT 1
  )
  AND NOT EXISTS (
      SELECT 1 FROM job_attempts AS run
      WHERE run.session_id = job.session_id AND run.finished_at IS NULL
  )
  AND NOT EXISTS (
      SELECT 1 FROM job_requests AS request
      WHERE request.job_id = job.id AND request.answered_at IS NULL AND request.closed_at IS NULL
  )
ORDER BY job.id
LIMIT %s
"""

# PostgreSQL has no fresh statistics when a queue has just become long, and assumes that it is
# empty. What must be looked up row by row is written so that it cannot be joined: COALESCE
# hides that the index of all pending jobs could be read instead. A row that another worker
# is taking is skipped, not waited for.
RUNNABLE_POSTGRESQL = """
WITH RECURSIVE
oldest(id) AS MATERIALIZED (
    SELECT id FROM job_queue WHERE status = 'pending' ORDER BY id LIMIT %s
),
head(id, session_id) AS MATERIALIZED (
    SELECT '', '' WHERE %s
    UNION ALL
    SELECT job.id, job.session_id
    FROM head
    CROSS JOIN job_queue AS job
    WHERE job.id = (
        SELECT next.id FROM job_queue AS next
        WHERE next.status IN ('pending', 'processing') AND next.session_id > head.session_id
        ORDER BY next.session_id, next.id LIMIT 1
    )
)
SELECT
    job.*,
    (SELECT COUNT(*) FROM oldest) AS tried,
    (SELECT MAX(run.number) FROM job_attempts AS run WHERE run.job_id = job.id) AS last_run,
    (SELECT approvals FROM job_options WHERE job_id = job.id) AS approvals,
    (SELECT images FROM job_options WHERE job_id = job.id) AS images,
    EXISTS (
        SELECT 1 FROM job_requests AS request
        WHERE request.job_id = job.id AND request.closed_at IS NULL
    ) AS has_request
FROM job_queue AS job
WHERE job.id = ANY (ARRAY (SELECT id FROM oldest UNION SELECT id FROM head))
  AND COALESCE(job.status, '') = 'pending'
  AND (job.next_retry_at IS NULL OR job.next_retry_at <= %s)
  AND (SELECT state FROM sessions WHERE id = job.session_id) = 'active'
  AND (
      SELECT COUNT(*) FROM session_hosts AS own
      WHERE own.session_id = job.session_id AND own.host <> %s
  ) = 0
  AND job.id = (
      SELECT first.id FROM job_queue AS first
      WHERE first.session_id = job.session_id AND first.status IN ('pending', 'processing')
      ORDER BY first.session_id, first.id LIMIT 1
  )
  AND (
      SELECT COUNT(*) FROM job_attempts AS run
      WHERE run.session_id = job.session_id AND run.finished_at IS NULL
  ) = 0
  AND (
      SELECT COUNT(*) FROM job_requests AS request
      WHERE request.job_id = job.id AND request.answered_at IS NULL AND request.closed_at IS NULL
  ) = 0
ORDER BY job.id
LIMIT %s
FOR UPDATE OF job SKIP LOCKED
"""

RUNNABLE = {"sqlite": RUNNABLE_SQLITE, "postgresql": RUNNABLE_POSTGRESQL}

# The sessions of those jobs, and what their attempts need to know. As querysets with the same
# conditions and annotations both statements take the ORM ten times as long, 3 ms of a start.
#
# An id in a system or error event alone is not a conversation to resume: an agent that failed
# to log in names one that was never kept. Ordering by the session too keeps PostgreSQL from
# walking the primary key through all sessions' messages.
SESSIONS = """
SELECT
    session.*,
    (SELECT message.provider_session_id FROM session_messages AS message
     WHERE message.session_id = session.id
       AND message.type IN ('assistant', 'user', 'result')
       AND message.provider_session_id IS NOT NULL
     ORDER BY message.session_id DESC, message.id DESC LIMIT 1) AS conversation,
    EXISTS (
        SELECT 1 FROM project_trusts AS trust WHERE trust.path = session.project_path
    ) AS is_trusted,
    own.id IS NOT NULL AS has_host,
    metered.raw_usage AS usage,
    metered.provider_session_id AS metered,
    options.approvals AS approvals,
    options.model AS model,
    options.effort AS effort
FROM sessions AS session
LEFT JOIN session_hosts AS own ON own.session_id = session.id
LEFT JOIN session_options AS options ON options.session_id = session.id
LEFT JOIN job_attempts AS metered ON metered.id = (
    SELECT MAX(run.id) FROM job_attempts AS run
    WHERE run.session_id = session.id AND run.raw_usage IS NOT NULL
)
WHERE session.id IN {keys} AND session.state = 'active' AND (own.host IS NULL OR own.host = %s)
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known before an attempt: how many its job has had, the conversation to resume,
    whether the project is trusted, whether the session has a host, and the usage after the
    conversation's last attempt, from which the next one is metered.

    `answered` are requests of earlier attempts whose answers no agent has heard. The options are
    the job's, else the session's, None where the host's settings decide.
    """

    attempts: int
    conversation: str | None
    is_trusted: bool
    has_host: bool
    previous_usage: Any
    answered: Sequence[JobRequest] = ()
    approvals: str | None = None
    model: str | None = None
    effort: str | None = None
    images: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is ours to run: its open attempt with job and session, and what is known."""

    attempt: JobAttempt
    facts: Facts


def may_have_runnable(now: datetime, host: str) -> bool:
    """Whether a claim may find something. Only SQLite has one lock for all writers, which a
    worker woken for nothing must not ask for; elsewhere the claim itself finds out."""
    return connection.vendor != "sqlite" or bool(_jobs(now, host, 1))


def runnable(now: datetime, host: str, limit: int) -> list[tuple[Job, Facts]]:
    """The oldest jobs that may run on this host, locked until the transaction ends, each with
    its session and what is known about it. (SQLite locks no rows: as its `transaction_mode` is
    set in pokecode_site.conf.database, the transaction is the only one that writes.)

    The rows are read once they are locked: what was moved or archived meanwhile is left out.
    """
    jobs = _jobs(now, host, limit)
    sessions = _sessions([job.session_id for job in jobs], host) if jobs else {}
    here = [job for job in jobs if job.session_id in sessions]
    for job in here:
        job.session = sessions[job.session_id]
    return [(job, _facts(job)) for job in here]


def _sessions(ids: Sequence[str], host: str) -> dict[str, Session]:
    """Those of these sessions that may run on this host, by id."""
    rows = Session.objects.raw(SESSIONS.format(keys=among(ids)), [*ids, host])
    return {session.pk: session for session in rows}


def _facts(job: Job) -> Facts:
    """From what the statements above select beside the rows' own columns."""
    row, known = vars(job), vars(job.session)
    answered: Sequence[JobRequest] = _answered(job) if row["has_request"] else ()
    last_run = row["last_run"]
    conversation, usage = known["conversation"], known["usage"]
    if answered:
        conversation, answered = _asked_in(answered, conversation)
    # Usage that was left by another conversation says nothing about this one.
    previous = _parsed(usage) if usage and known["metered"] == conversation else None
    is_trusted, has_host = bool(known["is_trusted"]), bool(known["has_host"])
    return Facts(
        last_run or 0,
        conversation,
        is_trusted,
        has_host,
        previous,
        answered=answered,
        approvals=row["approvals"] or known["approvals"],
        model=known["model"],
        effort=known["effort"],
        images=_parsed(row["images"]) or () if row["images"] else (),
    )


def _answered(job: Job) -> list[JobRequest]:
    requests = JobRequest.objects.undelivered().filter(job=job).order_by("pk")
    return list(requests.select_related("session"))


def _asked_in(
    answered: Sequence[JobRequest], latest: str | None
) -> tuple[str | None, Sequence[JobRequest]]:
    """The conversation that asked, which may have said nothing else yet, and its answers; unless
    the session had to go back to an earlier one since, in which nobody has asked anything."""
    asked = answered[-1]
    if asked.provider_session_id in (None, latest):
        return latest, answered
    since = SessionMessage.objects.filter(
        session_id=asked.session_id, provider_session_id=latest, created_at__gt=asked.asked_at
    )
    has_gone_back = latest is not None and since.exists()
    return (latest, ()) if has_gone_back else (asked.provider_session_id, answered)


def _jobs(now: datetime, host: str, limit: int) -> list[Job]:
    window = WINDOW + limit
    jobs = _select(window, False, now, host, limit)
    if len(jobs) < limit and _is_longer_than(window, jobs):
        jobs = _select(0, True, now, host, limit)
    return jobs


def _select(window: int, heads: bool, now: datetime, host: str, limit: int) -> list[Job]:
    moment = connection.ops.adapt_datetimefield_value(now)
    return list(Job.objects.raw(RUNNABLE[connection.vendor], [window, heads, moment, host, limit]))


def _is_longer_than(window: int, found: list[Job]) -> bool:
    if found:
        return vars(found[0])["tried"] == window
    # In no order, for which SQLite would sort them all.
    pending = Job.objects.filter(status=JobStatus.PENDING).order_by().values_list("pk")
    return bool(pending[window - 1 : window])


def _parsed(usage: str) -> Any:
    try:
        return json.loads(usage)
    except ValueError:  # edited behind our back: the meter starts from nothing
        return None
