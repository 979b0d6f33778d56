"""Prompts queued one after the other by a process of its own: how long each took, in milliseconds.

Begins with a line, and ends when its standard input does.
"""

import select
import sys
import time

from jobs_app import queue
from tests.benchmarks.programs import history

PAUSE = 0.005
SESSIONS = 200


def main() -> list[float]:
    sessions = history.some_sessions(SESSIONS)
    delays: list[float] = []
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        began = time.perf_counter()
        queue.enqueue(sessions[len(delays) % SESSIONS], "Work.")
        delays.append(1000 * (time.perf_counter() - began))
    return delays
