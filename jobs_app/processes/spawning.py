"""Starting a run's process: this waits for the operating system, so it is meant for a thread."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from jobs_app.processes import tree


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start, without a shell.

    With `input_outlives_us` its standard input has no end, not even when we die (Linux): it is
    for a tool that would take that end for an answer, and go on with nobody to see it.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    input_outlives_us: bool = False


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process that nobody is watching yet: whoever started it attaches an AgentProcess to it."""

    process: subprocess.Popen[bytes]
    run: tree.LiveRun
    stdin: IO[bytes]


def spawn(command: Command, directory: int, run_id: str, *, umask: int = -1) -> Spawned:
    """Start the command in the directory of the open descriptor, from any thread.

    Python's vfork lets nothing else of this program go on until the child has changed to the
    directory and become the command: so use one that has just been looked at.

    `umask` is the new process's, by default ours. Raises OSError if it cannot start.
    """
    theirs, ours = os.pipe()
    if command.input_outlives_us:
        theirs = _endless(theirs)
    try:
        process, run = tree.spawn(run_id, lambda: _popen(command, directory, umask, theirs))
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return Spawned(process, run, open(ours, "wb", buffering=0))


def _endless(reading: int) -> int:
    """The reading end of a pipe as one that can write too: while its owner lives, so does a
    writer, and the end of the pipe does not come. Where there is no /proc it stays as it is."""
    try:
        both = os.open(f"/proc/self/fd/{reading}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return reading
    os.close(reading)
    return both


def _popen(command: Command, directory: int, umask: int, stdin: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        command.argv,
        env=command.environment,
        cwd=_path(directory),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
        umask=umask,
    )


def _path(directory: int) -> str:
    """A path that means the open directory, whatever its name refers to by now."""
    if sys.platform == "darwin":
        return os.fsdecode(fcntl.fcntl(directory, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return f"/proc/self/fd/{directory}"
