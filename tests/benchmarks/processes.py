"""What a process takes: processor time and memory."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def peak_memory(process: psutil.Process) -> float:
    """Megabytes: the most that was resident at any moment (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def peak_growth(process: psutil.Process, work: Callable[[], T]) -> tuple[T, float]:
    """What the work returned, and by how many megabytes the process's peak rose in it."""
    before = peak_memory(process)
    result = work()
    return result, peak_memory(process) - before
