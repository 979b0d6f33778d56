"""Pieces of HTML that the pages of jobs and of their attempts share."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs_app.models import Job, JobAttempt, JobStatus
from sessions_app.display.html import EMPTY, lasted, when


def status(value: str, label: str) -> SafeString:
    """A state as a word, with a mark in its colour from the style sheet."""
    return format_html('<span class="pokecode-state pokecode-state-{}">{}</span>', value, label)


def outcome(attempt: JobAttempt) -> SafeString:
    if attempt.outcome:
        return status(attempt.outcome, attempt.get_outcome_display())
    return status("processing", "stopping" if attempt.cancel_requested_at else "running")


def timing(job: Job) -> str | SafeString:
    """How long a job has waited and run so far."""
    if job.status == JobStatus.PENDING:
        return _waiting(job)
    if job.started_at is None:
        return EMPTY
    ran = (job.completed_at or timezone.now()) - job.started_at
    verb = "ran" if job.completed_at else "running for"
    return f"waited {_since(job, job.started_at)}, {verb} {lasted(ran)}"


def _waiting(job: Job) -> str | SafeString:
    if job.next_retry_at:
        return format_html("next attempt {}", when(job.next_retry_at))
    return f"waiting for {_since(job, timezone.now())}"


def _since(job: Job, moment: Any) -> str:
    return lasted(max(timedelta(), moment - job.created_at))
