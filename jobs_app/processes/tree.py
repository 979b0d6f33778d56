"""Process trees: finds and ends what a run started, wherever it has gone.

Both tools start their commands in sessions of their own, and leave them behind
when they are killed (measured with claude 2.1.330 and codex 0.169.0), so neither
the process group nor the parent tells what belongs to a run. Two things do:

- the marker: `RUN_MARKER=<run id>` in the environment, which children inherit;
- adoption: with `become_subreaper`, a process whose parent has died becomes a
  child of this one, whatever it did to its environment.

An adopted process without the marker of a live run is a stray. It belongs to one
of the runs that were alive when it started, and nothing says to which, so it is ended
with the last of those.

Linux only: elsewhere nothing is found, and a run's end kills its process group.
"""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple, TypeGuard

RUN_MARKER = "POKECODE_RUN"
"""Set to the run's id in the environment of its process, and so of all that it starts."""

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
ENDED = "ZX"  # zombie, dead: proc_pid_stat(5)
PAUSE = 0.001
LONGEST_PAUSE = 0.1
"""Seconds between two looks at what remains: the first pause, and its maximum."""


class StillAlive(Exception):
    """Processes that did not end in time although they were killed."""

    def __init__(self, pids: Iterable[int]) -> None:
        self.pids = sorted(pids)
        shown = ", ".join(map(str, self.pids))
        super().__init__(f"These processes could not be killed: {shown}. End them by hand.")


class _Process(NamedTuple):
    """Fields of /proc/<pid>/stat; `started` in clock ticks since boot."""

    pid: int
    state: str
    parent: int
    session: int
    started: int


class LiveRun(NamedTuple):
    """A live run; `started` is its own process's, in clock ticks since boot, 0 if unknown."""

    run_id: str
    started: int


_is_subreaper = False
_live: dict[int, LiveRun] = {}  # by the pid of the run's own process
_starting: list[str] = []  # the ids of runs whose process may not be among these yet
_reaping = threading.Lock()


def boot_id() -> str:
    """This boot's identity: pids and start times mean nothing in another. Empty if unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def process_started(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if it has ended."""
    process = _stat(pid)
    return process.started if process and process.state not in ENDED else None


def marked(run_id: str) -> list[int]:
    """The processes, except this one, whose environment holds the run's marker."""
    return [pid for pid in _pids() if pid != os.getpid() and _marker(pid) == run_id]


def run_ids() -> set[str]:
    """The runs, of any worker, that processes other than this one belong to."""
    return {found for pid in _pids() if pid != os.getpid() and (found := _marker(pid))}


def end_marked(run_id: str, timeout: float = 5) -> int:
    """Kill every process that holds the run's marker and return how many there were.

    Raises StillAlive if some are left after `timeout` seconds.
    """
    return _end_all(lambda: marked(run_id), lambda pid: _marker(pid) == run_id, timeout)


def become_subreaper() -> None:
    """From now on orphans of the runs become this process's children. Linux only."""
    global _is_subreaper
    with suppress(OSError, AttributeError):
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        _is_subreaper = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def spawn(
    run_id: str, start: Callable[[], subprocess.Popen[bytes]]
) -> tuple[subprocess.Popen[bytes], LiveRun]:
    """Start a run's process, in a session of its own, so that it is never taken for an orphan.

    Nobody waits for the start, which may hang on the project's disk: it is made in a
    ProjectThread, whose children do not become our orphans as long as it lives.
    """
    _starting.append(run_id)
    try:
        process = start()
        stat = _stat(process.pid)
        run = _live[process.pid] = LiveRun(run_id, stat.started if stat else 0)
    finally:
        _starting.remove(run_id)
    return process, run


def reap(process: subprocess.Popen[bytes]) -> None:
    """Read the exit code of a run's own process, which has ended."""
    with _reaping:
        process.wait()
        del _live[process.pid]


def reap_adopted() -> list[int]:
    """Release the adopted processes that have ended; return those that live.

    Never waits for a child that others wait for: a run's own process is known,
    and what else this program starts (git) stays in its own process session,
    which nothing that a run started can be in.
    """
    return [process.pid for process in _adopted() if process.state not in ENDED]


def _adopted() -> list[_Process]:
    """The adopted processes as they were a moment ago; those that had ended are released."""
    with _reaping:  # no run is half reaped at this point
        others = (pid for pid in _children() if pid not in _live)
        adopted = [process for process in map(_stat, others) if _is_adopted(process)]
        for process in adopted:
            if process.state in ENDED:
                os.waitpid(process.pid, os.WNOHANG)
    return adopted


def has_no_orphans() -> bool:
    """True when nothing of the runs that have ended is alive: it would descend from an adopted
    process. False where that cannot be told, as when one that has just ended may have left us
    its children."""
    return _is_subreaper and not _adopted()


def end_run(run: LiveRun, timeout: float = 5) -> int:
    """End all that a run left behind, including strays, once its own process has ended.

    Returns how many were killed. Raises StillAlive if some are left after `timeout` seconds.
    """
    if not _is_subreaper:
        return end_marked(run.run_id, timeout)

    def belongs(pid: int) -> bool:
        return _marker(pid) == run.run_id or _is_stray_of(pid, run)

    def remaining() -> list[int]:
        return [*marked(run.run_id), *(pid for pid in reap_adopted() if _is_stray_of(pid, run))]

    return _end_all(remaining, belongs, timeout)


def _end_all(
    remaining: Callable[[], list[int]], belongs: Callable[[int], bool], timeout: float
) -> int:
    """Kill until nothing remains: what is killed may have just started something.

    A process that is changing programs shows no environment for a moment, so
    only two looks in a row that find nothing say that nothing is left.
    """
    deadline = time.monotonic() + timeout
    ended: set[int] = set()
    looks_without_any, pause = 0, PAUSE
    while looks_without_any < 2:
        pids = remaining()
        looks_without_any = 0 if pids else looks_without_any + 1
        if pids and time.monotonic() >= deadline:
            raise StillAlive(pids)
        ended.update(pid for pid in pids if _kill(pid, belongs))
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return len(ended)


def _kill(pid: int, belongs: Callable[[int], bool]) -> bool:
    """Kill through a handle, checked once it is open: the pid may have a new owner by now."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not belongs(pid):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)
    return True


def _is_adopted(process: _Process | None) -> TypeGuard[_Process]:
    return (
        process is not None
        and process.parent == os.getpid()
        and process.pid not in _live
        and process.session != os.getsid(0)
        and not (_starting and _marker(process.pid) in _starting)
    )


def _is_stray_of(pid: int, run: LiveRun) -> bool:
    """Whether a process without a live run's marker is ended with this run: no other can own it."""
    process = _stat(pid)
    if not _is_adopted(process) or process.started < run.started:
        return False
    others = list(_live.values())
    if _marker(pid) in {other.run_id for other in others}:
        return False
    return all(other.started > process.started for other in others)


def _children() -> list[int]:
    """The main thread's children, which adopted processes become, whichever thread started
    the run (kernel/exit.c, find_new_reaper; tried with 6.18): what a thread started itself is
    among them only once that thread has ended.

    The kernel's list is complete as long as none of them is reaped meanwhile (proc(5)).
    """
    listed = _read(f"/proc/self/task/{os.getpid()}/children")
    if listed is None:  # a kernel without CONFIG_PROC_CHILDREN
        return _pids()
    return [int(pid) for pid in listed.split()]


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except FileNotFoundError:
        return []


def _stat(pid: int) -> _Process | None:
    """Parsed after the last parenthesis: the name before it may hold anything."""
    data = _read(f"/proc/{pid}/stat")
    if data is None:
        return None
    fields = data.rpartition(b")")[2].split()
    return _Process(pid, fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))


def _marker(pid: int) -> str | None:
    """The run whose marker the process holds, None for none or what we may not read."""
    name = f"{RUN_MARKER}=".encode()
    for entry in (_read(f"/proc/{pid}/environ") or b"").split(b"\0"):
        if entry.startswith(name):
            return entry.removeprefix(name).decode(errors="replace")
    return None


def _read(path: str) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return b"".join(iter(lambda: os.read(handle, 1 << 16), b""))
    except OSError:  # the process has ended meanwhile
        return None
    finally:
        os.close(handle)
