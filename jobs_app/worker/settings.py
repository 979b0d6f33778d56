"""The worker's settings: the one place where the job processor reads Django's."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from django.conf import settings


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Times in seconds."""

    version: str
    data_directory: Path
    agent_umask: int
    job_timeout: float
    request_wait: float
    asks: bool
    cancel_grace: float
    heartbeat_interval: float
    worker_timeout: float
    retention: timedelta

    @classmethod
    def read(cls) -> Self:
        return cls(
            version=settings.VERSION,
            data_directory=Path(settings.POKECODE_DATA_DIR),
            agent_umask=settings.AGENT_UMASK,
            job_timeout=settings.POKECODE_JOB_TIMEOUT,
            request_wait=settings.POKECODE_REQUEST_WAIT,
            asks=settings.POKECODE_APPROVALS == "ask",
            cancel_grace=settings.POKECODE_CANCEL_GRACE,
            heartbeat_interval=settings.POKECODE_HEARTBEAT_INTERVAL,
            worker_timeout=settings.POKECODE_WORKER_TIMEOUT,
            retention=timedelta(days=settings.POKECODE_JOB_RETENTION_DAYS),
        )

    @property
    def lost_grace(self) -> float:
        """Between the steps of ending an agent that must be gone before others take over."""
        return min(self.cancel_grace, self.worker_timeout / 12)
