"""A claim of the one job that may run: alone, and behind a hundred thousand that may not."""

import time

from jobs_app import queue
from jobs_app.models import Job, Worker
from jobs_app.outcomes import Outcome
from jobs_app.worker.upkeep import new_worker
from sessions_app.models import Session
from tests.benchmarks.programs import history
from tests.leasing import claim, end

BUSY = 10


def main(prompts: int, count: int) -> dict[str, list[float]]:
    """Milliseconds of each claim."""
    worker = new_worker("benchmark", concurrency=BUSY)
    worker.save()
    Job.objects.unfinished().delete()
    free, *busy = history.some_sessions(1 + BUSY)
    alone = [_claim(worker, free) for _ in range(count)]
    for session in busy:
        data = {"prompt": "Work.", "projectPath": session.project_path}
        rows = (Job(session=session, data=data) for _ in range(prompts // BUSY))
        Job.objects.bulk_create(rows, batch_size=1000)
    claim(worker, BUSY)
    return {"alone": alone, "deep": [_claim(worker, free) for _ in range(count)]}


def _claim(worker: Worker, session: Session) -> float:
    queue.enqueue(session, "Work.")
    began = time.perf_counter()
    (attempt,) = claim(worker, limit=4)
    taken = 1000 * (time.perf_counter() - began)
    end(attempt, Outcome.SUCCEEDED)
    return taken
