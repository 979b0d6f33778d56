"""Which Claude Code is installed: older ones cannot be talked to while they work."""

import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from jobs_app.agents.environment import environment

NEEDED = (2, 1, 219)
"""Measured: 2.1.218 cannot drop at an interrupt what it was told before
(interrupt_cancel_queued_v1), 2.1.197 does not tell either what it has read (msg_lifecycle_v1)."""

PATIENCE = 10.0
"""Seconds for an answer; 2.1.330 takes 0.05 s, behind the wrapper of npm 0.6 s."""

VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+) \(Claude Code\)")

_known: dict[tuple[object, ...], str] = {}
"""Once for each program file: an update puts another in its place."""


def too_old(command: Sequence[str]) -> str | None:
    """The version of this command line's program if it is older than needed. One that does not
    tell its version in the known words counts as new. OSError if there is no such file."""
    file = os.stat(command[0])
    key = (*command, file.st_ino, file.st_mtime_ns)
    if key not in _known:
        _known[key] = _printed(command)
    found = VERSION.match(_known[key])
    is_old = found is not None and tuple(map(int, found.groups())) < NEEDED
    return ".".join(found.groups()) if found and is_old else None


def _printed(command: Sequence[str]) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            [*command, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            env=environment("", {}),
            cwd="/",
            check=False,
        )
        return done.stdout.decode(errors="replace")
    return ""
