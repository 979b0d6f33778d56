"""Jobs a second that one worker ends, from its start to an empty queue."""

import asyncio
import time
from contextlib import nullcontext

from jobs_app.models import Job, JobStatus
from jobs_app.worker.processor import JobProcessor
from tests.benchmarks.programs import filling, null_agent


def main(directory: str, count: int, sessions: int, concurrency: int, null: bool) -> float:
    filling.enqueue(filling.sessions(directory, sessions), count, max_attempts=1)
    with null_agent.installed() if null else nullcontext():
        began = time.perf_counter()
        asyncio.run(JobProcessor(concurrency, until_empty=True).run())
        seconds = time.perf_counter() - began
    status = JobStatus.COMPLETED if null else JobStatus.FAILED  # /bin/true answers nothing
    if Job.objects.filter(status=status).count() != count:
        raise AssertionError(f"not all of the {count} jobs are {status}")
    return count / seconds
