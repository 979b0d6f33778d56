"""From the commit of a cancel to the signal at the agent's process, in milliseconds."""

import time

from jobs_app import queue
from sessions_app.models import Session
from tests.benchmarks.programs.knocks import Knocks, pause

WARM_UP = 1


def main(session: str, pipe: str, count: int) -> list[float]:
    knocks = Knocks(pipe)
    subject = Session.objects.get(pk=session)
    return [_cancel(subject, knocks) for _ in range(WARM_UP + count)][WARM_UP:]


def _cancel(session: Session, knocks: Knocks) -> float:
    job = queue.enqueue(session, "Run until you are interrupted.")
    knocks.wait()
    pause()
    queue.cancel(job)
    asked = time.time()
    interrupted = knocks.wait()
    job.wait(timeout=60)
    return 1000 * (interrupted - asked)
