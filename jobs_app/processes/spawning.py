"""Starting a run's process: this waits for the operating system, so it is meant for a thread."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs_app.processes import tree


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start: no shell, and `stdin` is the whole of its standard input."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    stdin: bytes


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process that nobody is watching yet: whoever started it attaches an AgentProcess to it."""

    process: subprocess.Popen[bytes]
    run: tree.LiveRun
    stdin: bytes


def spawn(command: Command, directory: int, run_id: str, *, umask: int = -1) -> Spawned:
    """Start the command in the directory of the open descriptor, from any thread.

    Python's vfork lets nothing else of this program go on until the child has changed to the
    directory and become the command: so use one that has just been looked at.

    `umask` is the new process's, by default ours. Raises OSError if it cannot start.
    """
    process, run = tree.spawn(run_id, lambda: _popen(command, directory, umask))
    return Spawned(process, run, command.stdin)


def _popen(command: Command, directory: int, umask: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        command.argv,
        env=command.environment,
        cwd=_path(directory),
        stdin=subprocess.PIPE,
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
