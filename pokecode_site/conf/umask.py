"""Two umasks: what we write is ours alone; what agents write belongs to the project."""

import os
from functools import cache
from pathlib import Path

PRIVATE = 0o077
STATUS = Path("/proc/self/status")


@cache
def inherited() -> int:
    """The umask that this process was started with: read once, whatever it is set to later."""
    return current()


def make_private() -> None:
    """From now on, new files of this process are private; `inherited` keeps its value."""
    inherited()
    os.umask(PRIVATE)


def current() -> int:
    """The umask as it is now, read without setting it where the system tells it."""
    try:
        return int(STATUS.read_text().partition("\nUmask:")[2].split()[0], 8)
    except (OSError, IndexError):  # not Linux: the only way to read it is to set it
        found = os.umask(PRIVATE)
        os.umask(found)
        return found
