"""The queue: one row a prompt."""

import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Substr
from django.utils import timezone

from jobs_app import titles
from sessions_app.fields import CascadeForeignKey, IntegerField, JSONTextField, LongNameIndex
from sessions_app.ids import new_id
from sessions_app.models import Session
from sessions_app.validation import check_keys, validate_model, validate_prompt, validate_tools

if TYPE_CHECKING:
    from jobs_app.models.talk import JobSteer

MOST_ATTEMPTS = 100


class JobStatus(models.TextChoices):
    PENDING = "pending", "pending"
    PROCESSING = "processing", "processing"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


UNFINISHED = (JobStatus.PENDING, JobStatus.PROCESSING)
FINISHED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
CANCELLABLE = UNFINISHED
RETRYABLE = (JobStatus.FAILED, JobStatus.CANCELLED)


def validate_job_data(value: Any) -> None:
    """`{prompt, projectPath, allowedTools?, messageId?, model?}`."""
    shape = {"prompt": str, "projectPath": str, "allowedTools": list, "messageId": str}
    check_keys("data", value, {**shape, "model": str}, required=("prompt", "projectPath"))
    validate_prompt(value["prompt"])
    validate_tools(value.get("allowedTools", []))
    if "model" in value:
        validate_model(value["model"])


def default_max_attempts() -> int:
    return int(settings.POKECODE_JOB_MAX_ATTEMPTS)


class JobQuerySet(models.QuerySet["Job"]):
    def pending(self) -> "JobQuerySet":
        return self.filter(status=JobStatus.PENDING)

    def unfinished(self) -> "JobQuerySet":
        return self.filter(status__in=UNFINISHED)

    def waiting(self) -> "JobQuerySet":
        """Those that wait for a person's answer, whether their agent's process waits or is gone."""
        return self.unfinished().filter(_asks())

    def noting_waits(self) -> "JobQuerySet":
        """With `waits`: whether each waits for a person's answer."""
        return self.annotate(waits=_asks())

    def titled(self) -> "JobQuerySet":
        """With their titles and without their data: a prompt can be megabytes."""
        return self.defer("data").annotate(data_start=Substr("data", 1, 1000))


def _asks() -> Exists:
    from jobs_app.models.talk import JobRequest

    return Exists(JobRequest.objects.unanswered().filter(job=OuterRef("pk")))


class JobManager(models.Manager.from_queryset(JobQuerySet)):  # type: ignore[misc]
    def enqueue(self, session: Session, prompt: str, **options: Any) -> "Job":
        """Queue a prompt: see `queue.enqueue`."""
        from jobs_app import queue

        return queue.enqueue(session, prompt, **options)


class Job(models.Model):
    """A prompt in the queue. Only `jobs_app.queue` and `jobs_app.leases` change its state."""

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    session = CascadeForeignKey(Session, related_name="jobs", db_index=False)
    prompt_id = models.TextField(default=new_id, editable=False)
    status = models.TextField(
        choices=JobStatus,
        default=JobStatus.PENDING,
        db_default=JobStatus.PENDING.value,
        editable=False,
    )
    data = JSONTextField(shape=validate_job_data)
    attempts = IntegerField(default=0, db_default=0, editable=False)
    max_attempts = IntegerField(default=default_max_attempts, db_default=3)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    error = models.TextField(null=True, blank=True, editable=False)
    next_retry_at = models.DateTimeField(null=True, blank=True)

    objects = JobManager()

    class Meta:
        db_table = "job_queue"
        permissions = [("run_job", "Can queue, cancel and retry prompts (runs code)")]
        indexes = [
            LongNameIndex(fields=["status"], name="idx_job_queue_status"),
            LongNameIndex(fields=["next_retry_at"], name="idx_job_queue_next_retry"),
            LongNameIndex(fields=["session"], name="idx_job_queue_session_id"),
            LongNameIndex(fields=["created_at"], name="idx_job_queue_created_at"),
            # A claim looks for the oldest pending job, however many are finished.
            LongNameIndex(
                fields=["id"], condition=Q(status="pending"), name="idx_job_queue_runnable"
            ),
            # ... and whether the session has an earlier one that is not finished.
            LongNameIndex(
                fields=["session", "id"],
                condition=Q(status__in=["pending", "processing"]),
                name="idx_job_queue_session_order",
            ),
            # A new job goes after its session's newest one, however many there were.
            LongNameIndex(fields=["session", "id"], name="idx_job_queue_session_newest"),
            # Pruning looks for those that ended first, among a million that are kept.
            LongNameIndex(
                fields=["completed_at"],
                condition=Q(completed_at__isnull=False),
                name="idx_job_queue_completed_at",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        number = self.max_attempts  # what is not a number at all is an error of its own
        if isinstance(number, int) and not 1 <= number <= MOST_ATTEMPTS:
            raise ValidationError(
                f"The maximum number of attempts must be from 1 to {MOST_ATTEMPTS}."
            )

    @property
    def title(self) -> str:
        """The first line of the prompt, shortened."""
        start = getattr(self, "data_start", None)
        return titles.title(self.prompt if start is None else titles.prompt_start(start))

    @property
    def prompt(self) -> str:
        return str(self.data.get("prompt", "")) if isinstance(self.data, dict) else ""

    @property
    def model(self) -> str | None:
        return self.data.get("model") if isinstance(self.data, dict) else None

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    def cancel(self) -> bool:
        """Cancel this job; see `queue.cancel`."""
        from jobs_app import queue

        changed = queue.cancel(self)
        self.refresh_from_db()
        return changed

    def retry(self) -> bool:
        """Queue this failed or cancelled job again; see `queue.retry`."""
        from jobs_app import queue

        changed = queue.retry(self)
        self.refresh_from_db()
        return changed

    def steer(self, text: str) -> "JobSteer | Job":
        """Tell the running agent something: see `steering.steer`."""
        from jobs_app import steering

        return steering.steer(self, text)

    def interrupt(self) -> bool:
        """Stop the agent's turn: see `steering.interrupt`."""
        from jobs_app import steering

        return steering.interrupt(self)

    def wait(self, timeout: float | None = None) -> str:
        """Block until the job has ended and return its status.

        Raises TimeoutError after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self.refresh_from_db()
            if self.is_finished:
                return self.status
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"Job {self.pk} is still {self.status} after {timeout:g} s.")
            time.sleep(0.05)
