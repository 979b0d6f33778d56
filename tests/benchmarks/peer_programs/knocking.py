"""From the commit of a job to its first act, for peers whose worker is a process of its own."""

import os
import random
import select
import subprocess
import sys
import time
from pathlib import Path

PIPE = Path(os.environ["BENCHMARK_DIRECTORY"]) / "peer-pipe"
KNOCK = "x\n"
PATIENCE = 60
WARM_UP = 2


def knock():
    PIPE.write_text(KNOCK)


def starts(peer, enqueue, count):
    """Milliseconds, each; `enqueue` queues a job that knocks."""
    os.mkfifo(PIPE)
    pipe = os.open(PIPE, os.O_RDWR)
    command = ["-m", "tests.benchmarks.peer_programs", peer, "work", "0"]
    worker = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    try:
        return [_start(pipe, enqueue) for _ in range(WARM_UP + count)][WARM_UP:]
    finally:
        worker.kill()
        worker.wait()


def _start(pipe, enqueue):
    time.sleep(random.uniform(0.02, 0.08))  # noqa: S311
    enqueue()
    committed = time.time()
    if not select.select([pipe], [], [], PATIENCE)[0]:
        raise TimeoutError("no job knocked")
    came = time.time()
    os.read(pipe, len(KNOCK))
    return 1000 * (came - committed)
