"""What runs the queue: attempts, workers, and the host of each session."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from jobs_app.models.jobs import Job
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
from sessions_app.visible import visible


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
    interrupt_requested_at = models.DateTimeField(null=True)
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
