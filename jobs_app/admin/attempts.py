"""Attempts and workers in the admin: read-only, as the job processor writes them."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, Value
from django.db.models.functions import Substr
from django.http import HttpRequest

from jobs_app.admin.html import outcome, status
from jobs_app.models import Job, JobAttempt, Worker
from jobs_app.titles import prompt_start, title
from sessions_app.admin.base import BaseAdmin, ReadOnlyMixin, SessionFilter, SessionLinkMixin
from sessions_app.display.html import (
    EMPTY,
    clip,
    isolated,
    lasted,
    link,
    list_link,
    long_text,
    when,
)


@admin.register(JobAttempt)
class AttemptAdmin(ReadOnlyMixin, SessionLinkMixin, BaseAdmin):
    list_display = [
        "started",
        "number",
        "of_job",
        "of_session",
        "result",
        "duration",
        "tokens",
        "cost",
        "failure",
    ]
    list_filter = [SessionFilter, "outcome", "started_at"]
    linked_lookups = ["job__id__exact", "worker_id__exact"]
    list_select_related = ["session"]
    search_fields = ["=job__id", "=id", "error", "host", "=provider_session_id"]
    search_help_text = "Words of the error, a host, or an id"
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["number", "of_job", "of_session", "result", "failure_text"]}),
        ("Time", {"fields": ["started", "finished", "duration", "cancel_requested"]}),
        (
            "Usage",
            {
                "fields": [
                    "input_tokens",
                    "cached_input_tokens",
                    "cache_write_tokens",
                    "output_tokens",
                    "reasoning_tokens",
                    "cost",
                    "raw",
                ]
            },
        ),
        (
            "Process",
            {"fields": ["on_host", "pid", "exit_code", "worker_id", "conversation", "heads"]},
        ),
    ]

    class Media:
        css = {"all": ["jobs_app/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobAttempt]:
        may_read = request.user.has_perm("jobs_app.view_job")
        start = Substr("job__data", 1, 1000) if may_read else Value("")
        return super().get_queryset(request).annotate(data_start=start).defer("session__context")

    @admin.display(description="started", ordering="id")
    def started(self, attempt: JobAttempt) -> str:
        return when(attempt.started_at)

    @admin.display(description="finished")
    def finished(self, attempt: JobAttempt) -> str:
        return when(attempt.finished_at)

    @admin.display(description="cancelled")
    def cancel_requested(self, attempt: JobAttempt) -> str:
        return when(attempt.cancel_requested_at)

    @admin.display(description="job")
    def of_job(self, attempt: Any) -> str:
        return link(Job, attempt.job_id, title(prompt_start(attempt.data_start)) or "job")

    @admin.display(description="outcome", ordering="outcome")
    def result(self, attempt: JobAttempt) -> str:
        return outcome(attempt)

    @admin.display(description="duration")
    def duration(self, attempt: JobAttempt) -> str:
        return lasted(attempt.duration)

    @admin.display(description="tokens")
    def tokens(self, attempt: JobAttempt) -> str:
        if attempt.input_tokens is None:
            return EMPTY
        return f"{attempt.input_tokens + (attempt.output_tokens or 0):,}"

    @admin.display(description="cost", ordering="cost_usd")
    def cost(self, attempt: JobAttempt) -> str:
        return EMPTY if attempt.cost_usd is None else f"${attempt.cost_usd:.4f}"

    @admin.display(description="error")
    def failure(self, attempt: JobAttempt) -> str:
        return isolated(clip(attempt.error or EMPTY))

    @admin.display(description="error")
    def failure_text(self, attempt: JobAttempt) -> str:
        return long_text(attempt.error) if attempt.error else EMPTY

    @admin.display(description="usage, as it came")
    def raw(self, attempt: JobAttempt) -> str:
        if attempt.raw_usage is None:
            return EMPTY
        return long_text(json.dumps(attempt.raw_usage, indent=2))

    @admin.display(description="conversation")
    def conversation(self, attempt: JobAttempt) -> str:
        return isolated(attempt.provider_session_id or EMPTY)

    @admin.display(description="host", ordering="host")
    def on_host(self, attempt: JobAttempt) -> str:
        return isolated(attempt.host)

    @admin.display(description="git commit")
    def heads(self, attempt: JobAttempt) -> str:
        before, after = attempt.git_head_before, attempt.git_head_after
        return f"{before or EMPTY} before, {after or EMPTY} after"


@admin.register(Worker)
class WorkerAdmin(ReadOnlyMixin, BaseAdmin):
    list_display = ["__str__", "state", "version", "concurrency", "started", "heartbeat", "runs"]
    search_fields = ["host", "=id"]
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["state", "heartbeat", "started", "concurrency", "runs"]}),
        ("Process", {"fields": ["on_host", "pid", "version", "id"]}),
    ]

    class Media:
        css = {"all": ["jobs_app/admin.css"]}

    @admin.display(description="state")
    def state(self, worker: Worker) -> str:
        if not worker.is_alive:
            return status("lost", "no heartbeat")
        if worker.stopping:
            return status("interrupted", "stopping")
        return status("processing", "alive")

    @admin.display(description="host")
    def on_host(self, worker: Worker) -> str:
        return isolated(worker.host)

    @admin.display(description="started", ordering="started_at")
    def started(self, worker: Worker) -> str:
        return when(worker.started_at)

    @admin.display(description="last heartbeat", ordering="heartbeat_at")
    def heartbeat(self, worker: Worker) -> str:
        return when(worker.heartbeat_at)

    @admin.display(description="attempts")
    def runs(self, worker: Worker) -> str:
        return list_link(JobAttempt, "attempts", worker_id__exact=worker.pk)
