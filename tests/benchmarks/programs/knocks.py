"""A named pipe that an agent knocks at: its start is seen by the clock of the one who waits."""

import os
import random
import select
import time
from pathlib import Path

KNOCK = b"x\n"
PATIENCE = 60


class Knocks:
    def __init__(self, path: str) -> None:
        if not Path(path).exists():
            os.mkfifo(path)
        # Open for both ways: no end of file between two knocks, and no waiting to open.
        self._pipe = os.open(path, os.O_RDWR)

    def wait(self) -> float:
        """When the next knock came, by time.time()."""
        if not select.select([self._pipe], [], [], PATIENCE)[0]:
            raise TimeoutError(f"no agent knocked within {PATIENCE} s")
        came = time.time()
        os.read(self._pipe, len(KNOCK))
        return came


def pause() -> None:
    """A moment in which the worker comes to rest, never in step with anything that polls."""
    time.sleep(random.uniform(0.02, 0.08))  # noqa: S311
