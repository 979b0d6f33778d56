"""A worker's maintenance in a long history: how long it keeps its own thread, and other processes.

In milliseconds, the longest one of each.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from jobs_app.models import FINISHED, Job, Worker
from jobs_app.worker.database import DatabaseThread
from jobs_app.worker.processor import JobProcessor
from jobs_app.worker.upkeep import Upkeep, new_worker
from tests.benchmarks.programs import filling, history
from tests.leasing import claim

PENDING, RUNNING = 1000, 20
SWEEPS = 50
ALONE = 5
"""Seconds in which prompts are queued while there is no maintenance."""


class TimedThread(DatabaseThread):
    """The worker's one thread for its database, which knows how long it was kept."""

    def __init__(self) -> None:
        super().__init__(worker_timeout=30)
        self.kept: list[float] = []

    async def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return await super().__call__(function, *args, **kwargs)
        finally:
            self.kept.append(1000 * (time.perf_counter() - began))


def main(directory: str, jobs: int, sessions: int, old: float) -> dict[str, dict[str, float]]:
    worker = new_worker("benchmark", concurrency=RUNNING)
    worker.save()
    history.fill(directory, jobs, sessions, old, worker)
    filling.enqueue(history.some_sessions(PENDING // 2), PENDING)
    claim(worker, RUNNING)
    return asyncio.run(_sweep(JobProcessor(RUNNING), round(jobs * (1 - old))))


async def _sweep(processor: JobProcessor, kept: int) -> dict[str, dict[str, float]]:
    with _probe() as alone:
        await asyncio.sleep(ALONE)
    upkeep = processor._upkeep
    found = {
        "rescue": await _measured(upkeep, _often(partial(upkeep._rescue, by_silence=True))),
        "prune": await _measured(upkeep, upkeep._prune()),
        "idle prune": await _measured(upkeep, _often(upkeep._prune)),
    }
    left = await Job.objects.filter(status__in=FINISHED).acount()
    if not 0.99 * kept <= left <= kept:  # some more have become old since they were made
        raise AssertionError(f"{left} jobs are left, not {kept}")
    return {"alone": {"others": max(alone)}, **found}


async def _often(sweep: Callable[[], Awaitable[None]]) -> None:
    for _ in range(SWEEPS):
        await sweep()
        await asyncio.sleep(0.05)


async def _measured(upkeep: Upkeep, work: Awaitable[None]) -> dict[str, float]:
    thread = upkeep._database = TimedThread()
    await thread(Worker.objects.count)  # opens its connection, as a worker's start does
    thread.kept.clear()
    with _probe() as delays:
        await work
    thread.close()
    return {"others": max(delays), "thread": max(thread.kept)}


@contextmanager
def _probe() -> Iterator[list[float]]:
    """The list holds, after the block, how long another process took for each prompt in it."""
    command = [sys.executable, "-m", "tests.benchmarks.programs", "probes", "{}"]
    delays: list[float] = []
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield delays
        output, _ = process.communicate()
    delays.extend(json.loads(output))
