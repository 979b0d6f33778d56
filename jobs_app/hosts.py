"""Workers as processes of this host."""

import os

from jobs_app.models import Worker
from jobs_app.processes import host, tree
from jobs_app.processes.host import this_host

__all__ = ["has_died", "new_worker", "this_host"]


def has_died(worker: Worker) -> bool:
    """True if the worker ran on this host and its process is gone; its heartbeat decides else."""
    return host.has_died(worker.host, worker.boot_id, worker.pid, worker.process_started)


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
