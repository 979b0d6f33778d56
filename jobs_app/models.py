"""The queue, its attempts, its workers, and which projects are trusted."""

import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Substr
from django.utils import timezone

from jobs_app import titles
from jobs_app.outcomes import Outcome
from sessions_app.fields import (
    CascadeForeignKey,
    CascadeOneToOneField,
    IntegerField,
    JSONTextField,
    LongNameIndex,
)
from sessions_app.ids import new_id
from sessions_app.models import Session
from sessions_app.validation import check_keys, validate_model, validate_prompt, validate_tools
from sessions_app.visible import visible

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

    def titled(self) -> "JobQuerySet":
        """With their titles and without their data: a prompt can be megabytes."""
        return self.defer("data").annotate(data_start=Substr("data", 1, 1000))


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


class AttemptQuerySet(models.QuerySet["JobAttempt"]):
    def open(self) -> "AttemptQuerySet":
        return self.filter(finished_at__isnull=True)

    def held_by(self, worker_id: str) -> "AttemptQuerySet":
        return self.open().filter(worker_id=worker_id)

    def titled(self) -> "AttemptQuerySet":
        """With their sessions, and their jobs' titles without the jobs' data."""
        jobs = models.Prefetch("job", Job.objects.titled())
        return self.select_related("session").defer("session__context").prefetch_related(jobs)


class JobAttempt(models.Model):
    """One run of a job. While it is open it is the lease; closed, it is the history."""

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    job = CascadeForeignKey(Job, related_name="runs", db_index=False)
    session = CascadeForeignKey(Session, related_name="runs", db_index=False)
    number = IntegerField()
    worker_id = models.TextField()
    host = models.TextField()
    boot_id = models.TextField(blank=True)
    pid = IntegerField(null=True)
    process_started = models.BigIntegerField(
        null=True, help_text="The agent process's start time in clock ticks since boot."
    )
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    outcome = models.TextField(choices=[(each.value, each.label) for each in Outcome], null=True)
    exit_code = IntegerField(null=True)
    error = models.TextField(null=True)
    provider_session_id = models.TextField(null=True)
    input_tokens = models.BigIntegerField(null=True)
    cached_input_tokens = models.BigIntegerField(null=True)
    cache_write_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    reasoning_tokens = models.BigIntegerField(null=True)
    raw_usage = JSONTextField(null=True)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=6, null=True)
    git_head_before = models.TextField(null=True)
    git_head_after = models.TextField(null=True)

    objects = models.Manager.from_queryset(AttemptQuerySet)()

    class Meta:
        db_table = "job_attempts"
        verbose_name = "attempt"
        indexes = [
            # A heartbeat looks for the open ones of a worker, however many it has closed.
            LongNameIndex(fields=["worker_id", "finished_at"], name="idx_job_attempts_worker"),
            # A claim looks for the session's last one, however many there were.
            LongNameIndex(fields=["session", "id"], name="idx_job_attempts_session"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="uniq_job_attempts_number"),
            # Not only the code: the database itself refuses a second run of a session.
            models.UniqueConstraint(
                fields=["session"],
                condition=Q(finished_at__isnull=True),
                name="uniq_job_attempts_open_session",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.started_at:%Y-%m-%d %H:%M:%S}"

    @property
    def duration(self) -> timedelta:
        return (self.finished_at or timezone.now()) - self.started_at


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self, now: datetime | None = None) -> "WorkerQuerySet":
        limit = timedelta(seconds=settings.POKECODE_WORKER_TIMEOUT)
        return self.filter(heartbeat_at__gt=(now or timezone.now()) - limit)

    def dead(self, now: datetime | None = None) -> "WorkerQuerySet":
        limit = timedelta(seconds=settings.POKECODE_WORKER_TIMEOUT)
        return self.filter(heartbeat_at__lte=(now or timezone.now()) - limit)


class Worker(models.Model):
    """A running job processor; a new row at each start, deleted when it stops cleanly."""

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    host = models.TextField()
    boot_id = models.TextField(blank=True)
    pid = IntegerField()
    process_started = models.BigIntegerField(null=True)
    version = models.TextField()
    concurrency = IntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    stopping = models.BooleanField(default=False)

    objects = models.Manager.from_queryset(WorkerQuerySet)()

    class Meta:
        db_table = "job_workers"

    def __str__(self) -> str:
        return f"{visible(self.host)} (process {self.pid})"

    @property
    def is_alive(self) -> bool:
        limit = timedelta(seconds=settings.POKECODE_WORKER_TIMEOUT)
        return timezone.now() - self.heartbeat_at < limit


class SessionHost(models.Model):
    """The host that has a session's files and conversation: only its workers run its prompts.

    Set by the first claim; an operator may move a session (`queue.move`).
    """

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    session = CascadeOneToOneField(Session, related_name="own_host")
    host = models.TextField()

    class Meta:
        db_table = "session_hosts"

    def __str__(self) -> str:
        return self.host


class DatabaseIdentity(models.Model):
    """Which database this is, in a single row: in a copy it is still the original's (`copies`)."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    identity = JSONTextField()

    class Meta:
        db_table = "database_identity"

    def __str__(self) -> str:
        return "identity"


class ProjectTrust(models.Model):
    """A project whose own agent settings (hooks, MCP servers, environment) may take effect."""

    path = models.TextField(primary_key=True)
    trusted_by = models.TextField(help_text="Who said so: a user name, or the shell's.")
    trusted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "project_trusts"
        verbose_name = "trusted project"
        permissions = [("trust_project", "Can trust a project's own agent settings (runs code)")]

    def __str__(self) -> str:
        return visible(self.path)

    def clean(self) -> None:
        from sessions_app.projects.directories import resolve_project

        if not self.path:
            raise ValidationError("Give the project's directory.")
        self.path = str(resolve_project(self.path))
