"""From the commit of a job to its claim and to its agent's own first act, in milliseconds."""

import time
from collections.abc import Sequence

from jobs_app import queue
from jobs_app.models import JobAttempt
from sessions_app.models import Session
from tests.benchmarks.programs.knocks import Knocks, pause

WARM_UP = 3


def main(session: str, pipe: str, count: int) -> dict[str, Sequence[float]]:
    knocks = Knocks(pipe)
    subject = Session.objects.get(pk=session)
    delays = [_start(subject, knocks) for _ in range(WARM_UP + count)][WARM_UP:]
    claimed, started = zip(*delays, strict=True)
    return {"claimed": claimed, "started": started}


def _start(session: Session, knocks: Knocks) -> tuple[float, float]:
    pause()
    job = queue.enqueue(session, "Start.")
    committed = time.time()
    started = knocks.wait()
    job.wait(timeout=60)
    claimed = JobAttempt.objects.get(job=job).started_at.timestamp()
    return 1000 * (claimed - committed), 1000 * (started - committed)
