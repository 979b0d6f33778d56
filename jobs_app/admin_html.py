"""Pieces of HTML that the pages of jobs and of their attempts share."""

import json
import re
from datetime import timedelta
from typing import Any

from django.db.models.functions import Substr
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs_app.models import Job, JobAttempt, JobStatus
from sessions_app.admin_html import EMPTY, clip, lasted, link, when

PROMPT = re.compile(r'"prompt":\s*"((?:[^"\\]|\\u[0-9A-Fa-f]{4}|\\[^u])*)')


def data_start(column: str) -> Substr:
    """The beginning of a job's JSON: a list of jobs whose prompts are megabytes stays quick."""
    return Substr(column, 1, 1000)


def title(start: str) -> str:
    """The first words of the prompt in the beginning of a job's JSON."""
    found = PROMPT.search(start)
    return clip(json.loads(f'"{found[1]}"', strict=False) if found else start, 80) or EMPTY


def job_link(pk: str, start: str) -> SafeString:
    return link(Job, pk, title(start))


def status(value: str, label: str) -> SafeString:
    """A state as a word, with a mark in its colour from the style sheet."""
    return format_html('<span class="pokecode-state pokecode-state-{}">{}</span>', value, label)


def outcome(attempt: JobAttempt) -> SafeString:
    if attempt.outcome:
        return status(attempt.outcome, attempt.get_outcome_display())
    return status("processing", "stopping" if attempt.cancel_requested_at else "running")


def timing(job: Job) -> str | SafeString:
    """How long a job has waited and run, as far as it has come."""
    if job.status == JobStatus.PENDING:
        return _waiting(job)
    if job.started_at is None:
        return EMPTY
    ran = (job.completed_at or timezone.now()) - job.started_at
    verb = "ran" if job.completed_at else "running for"
    return f"waited {_since(job, job.started_at)}, {verb} {lasted(ran)}"


def _waiting(job: Job) -> str | SafeString:
    if job.next_retry_at:
        return format_html("next try {}", when(job.next_retry_at))
    return f"waiting for {_since(job, timezone.now())}"


def _since(job: Job, moment: Any) -> str:
    return lasted(max(timedelta(), moment - job.created_at))
