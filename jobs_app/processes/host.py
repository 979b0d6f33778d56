"""Which machine this is, and whether a process that was recorded on it is still alive."""

import socket
from dataclasses import dataclass
from functools import cache

from jobs_app.processes import tree


@dataclass(frozen=True, slots=True)
class Host:
    """A machine since its last boot: `boot_id` changes with every boot."""

    name: str
    boot_id: str


@cache
def this_host() -> Host:
    return Host(socket.gethostname(), tree.boot_id())


def has_died(host: str, boot_id: str, pid: int, process_started: int | None) -> bool:
    """True if the process ran on this host and is gone; False where that cannot be told."""
    here = this_host()
    if host != here.name or process_started is None:
        return False
    if boot_id != here.boot_id:
        return True
    return tree.process_started(pid) != process_started
