"""Which machine this is, and whether a worker's process on it still lives."""

import os
import socket
from dataclasses import dataclass
from functools import cache

from jobs_app.models import Worker
from jobs_app.processes import tree


@dataclass(frozen=True, slots=True)
class Host:
    """A machine since its last start: `boot_id` changes with every boot."""

    name: str
    boot_id: str


@cache
def this_host() -> Host:
    return Host(socket.gethostname(), tree.boot_id())


def has_died(worker: Worker) -> bool:
    """True if the worker ran on this host and its process is gone; its heartbeat decides else."""
    here = this_host()
    if worker.host != here.name or worker.process_started is None:
        return False
    if worker.boot_id != here.boot_id:
        return True
    return tree.process_started(worker.pid) != worker.process_started


def new_worker(version: str, concurrency: int) -> Worker:
    """The row of a worker in this process, not yet saved."""
    here = this_host()
    return Worker(
        host=here.name,
        boot_id=here.boot_id,
        pid=os.getpid(),
        process_started=tree.process_started(os.getpid()),
        version=version,
        concurrency=concurrency,
    )
