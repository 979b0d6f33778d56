"""Claims and ends of runs as a worker makes them, without a process between the two."""

from datetime import datetime
from typing import Any

from jobs_app import leases
from jobs_app.leases import Ending, Record
from jobs_app.models import JobAttempt, Worker
from jobs_app.outcomes import Outcome, Verdict


def claim(worker: Worker, limit: int = 1) -> list[JobAttempt]:
    """The attempts of a claim."""
    return [claimed.attempt for claimed in leases.claim(worker, limit)]


def end(
    attempt: JobAttempt,
    outcome: Outcome,
    error: str | None = None,
    *,
    permanent: bool = False,
    until: datetime | None = None,
    **left: Any,
) -> bool:
    """End a run; `left` is what it leaves on its attempt. False if its lease had moved."""
    ending = Ending(Verdict(outcome, error, permanent, until), **left)
    return bool(leases.record([Record(attempt, ending)], []))
