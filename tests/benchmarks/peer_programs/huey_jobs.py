"""huey on SQLite: no ORM, and no state of a job is kept but its result."""

import os
import time
from pathlib import Path

from huey import SqliteHuey

huey = SqliteHuey(filename=str(Path(os.environ["BENCHMARK_DIRECTORY"]) / "huey.sqlite3"))


@huey.task()
def noop():
    pass


def drain(count):
    for _ in range(count):
        noop()
    began = time.perf_counter()
    # What its worker does, less the threads.
    while (task := huey.dequeue()) is not None:
        huey.execute(task)
    return count / (time.perf_counter() - began)
