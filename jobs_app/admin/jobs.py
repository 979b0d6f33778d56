"""Jobs in the admin: every change goes through the queue's verbs."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from jobs_app import acts, queue
from jobs_app.acts import ACTS, CANCEL, RETRY, RUN_JOB, Act, Result
from jobs_app.admin.forms import JobForm
from jobs_app.admin.html import outcome, status, timing
from jobs_app.admin.images import ImagesMixin
from jobs_app.admin.late_edits import LateEditMixin
from jobs_app.models import Job, JobAttempt, JobOptions, JobStatus
from sessions_app.admin.base import BaseAdmin, SessionFilter, SessionLinkMixin, log_changes
from sessions_app.display.html import (
    EMPTY,
    clip,
    isolated,
    lasted,
    list_link,
    long_text,
    page_url,
    when,
)

RUNS_SHOWN = 10


@admin.register(Job)
class JobAdmin(LateEditMixin, ImagesMixin, SessionLinkMixin, BaseAdmin):
    form = JobForm
    list_display = ["name", "of_session", "state", "attempts_made", "created", "time", "failure"]
    list_filter = [SessionFilter, "status", "session__provider", "created_at"]
    list_select_related = ["session"]
    search_fields = ["data", "session__name", "error", "=id", "=prompt_id"]
    search_help_text = "Words of the prompt or the error, a session's name, or an id"
    ordering = ["-id"]
    autocomplete_fields = ["session"]
    actions = ["cancel_selected", "retry_selected"]
    edited = ["prompt", "images", "model_name", "allowed_tools", "approvals", "max_attempts"]
    facts = [
        "of_session",
        "state",
        "attempts_made",
        "created",
        "time",
        "failure_text",
        "id",
        "prompt_id",
    ]

    class Media:
        css = {"all": ["jobs_app/admin.css", "jobs_app/images.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return Job.objects.titled().noting_waits().defer("session__context")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Prompts are stored as JSON in ASCII, in which é reads \\u00e9."""
        if search_term.isascii():
            return super().get_search_results(request, queryset, search_term)
        stored = json.dumps(search_term)[1:-1]
        found, duplicates = super().get_search_results(request, queryset, search_term)
        return found | queryset.filter(data__contains=stored), duplicates

    # --- who may do what ---

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(RUN_JOB)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and self.has_run_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return (
            super().has_change_permission(request, obj)
            and self.has_run_permission(request)
            and (obj is None or obj.status == JobStatus.PENDING)
        )

    # --- one job's page ---

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["session", *self.edited]})]
        version = ["version"] if self.has_change_permission(request, obj) else []
        found = [
            (None, {"fields": [*self.edited, *version]}),
            ("Progress", {"fields": self.facts}),
        ]
        if request.user.has_perm("jobs_app.view_jobattempt"):
            found.append(("Attempts", {"fields": ["runs"]}))
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["session", *self.facts, "runs"] if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The form has already asked the queue, whose refusals it shows."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        queue.remove([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        queue.remove(queryset)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["acts"] = self._offered(request, kwargs.get("obj"))
        return super().render_change_form(request, context, *args, **kwargs)

    def _offered(self, request: HttpRequest, job: Job | None) -> list[tuple[str, str]]:
        """URL and word of what may be done with this job now."""
        if job is None or not self.has_run_permission(request):
            return []
        fit = [act for act in ACTS.values() if job.status in act.statuses]
        urls = [self.keep_filters(request, page_url(Job, job.pk, act.name)) for act in fit]
        return [(url, act.label) for url, act in zip(urls, fit, strict=True)]

    # --- acts ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.act_view))
        return [
            path(
                f"<path:object_id>/{act.name}/",
                view,
                {"act": act},
                name=f"jobs_app_job_{act.name}",
            )
            for act in ACTS.values()
        ] + super().get_urls()

    def act_view(self, request: HttpRequest, object_id: str, act: Act) -> HttpResponse:
        if not self.has_run_permission(request) or not self.has_view_permission(request):
            raise PermissionDenied
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        self._act(request, act, [job])
        return HttpResponseRedirect(self.keep_filters(request, page_url(Job, job.pk)))

    @admin.action(permissions=["run"], description="Cancel selected jobs")
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._act(request, CANCEL, queryset)

    @admin.action(permissions=["run"], description="Retry selected jobs")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._act(request, RETRY, queryset)

    def _act(self, request: HttpRequest, act: Act, jobs: Iterable[Job]) -> None:
        """The act on each job; says how many it changed, and why not the others."""
        result = apply_and_log(request, act, jobs)
        level = messages.SUCCESS if result.changed else messages.WARNING
        self.message_user(request, _summary(act, result), level)

    # --- columns ---

    @admin.display(description="prompt")
    def name(self, job: Job) -> str:
        return isolated(job.title)

    @admin.display(description="status", ordering="status")
    def state(self, job: Job) -> str:
        if getattr(job, "waits", False):
            return status("waiting", "waits for you")
        return status(job.status, job.get_status_display())

    @admin.display(description="attempts", ordering="attempts")
    def attempts_made(self, job: Job) -> str:
        return f"{job.attempts} of {job.max_attempts}"

    @admin.display(description="created", ordering="id")
    def created(self, job: Job) -> str:
        return when(job.created_at)

    @admin.display(description="time")
    def time(self, job: Job) -> str:
        return timing(job)

    @admin.display(description="error")
    def failure(self, job: Job) -> str:
        return _error(job.error, 100)

    @admin.display(description="error")
    def failure_text(self, job: Job) -> str:
        return long_text(job.error) if job.error else EMPTY

    @admin.display(description="prompt")
    def prompt(self, job: Job) -> str:
        return long_text(job.prompt)

    @admin.display(description="model")
    def model_name(self, job: Job) -> str:
        return isolated(str(_entry(job, "model") or EMPTY))

    @admin.display(description="allowed tools")
    def allowed_tools(self, job: Job) -> str:
        return isolated("\n".join(map(str, _entry(job, "allowedTools") or [EMPTY])))

    @admin.display(description="approvals")
    def approvals(self, job: Job) -> str:
        options = JobOptions.objects.filter(job=job).first()
        return (options and options.get_approvals_display()) or "as the session"

    @admin.display(description="newest first")
    def runs(self, job: Job) -> str:
        """The attempts' last ones, with a link to the others."""
        runs = list(job.runs.order_by("-number")[: RUNS_SHOWN + 1])
        shown = [
            (run, outcome(run), lasted(run.duration), isolated(run.host), _error(run.error, 500))
            for run in runs[:RUNS_SHOWN]
        ]
        more = list_link(JobAttempt, "Show all attempts", job__id__exact=job.pk)
        context = {"runs": shown, "more": more if len(runs) > RUNS_SHOWN else ""}
        return render_to_string("admin/jobs_app/job/runs.html", context)


def apply_and_log(request: HttpRequest, act: Act, jobs: Iterable[Job]) -> Result:
    """The act on each job, and in the log of those that it changed who did it."""
    result = acts.apply(act, jobs)
    log_changes(request, result.changed, act.log_entry)
    return result


def _summary(act: Act, result: Result) -> str:
    parts = [f"{len(result.changed)} {act.done}"]
    if result.unfit:
        parts.append(f"{len(result.unfit)} skipped: {act.skip_reason}")
    for sentence, count in result.refusals.items():
        parts.append(f"{count} skipped: {sentence.rstrip('.')}")
    return f"{', '.join(parts)}."


def _error(text: str | None, limit: int) -> str:
    return isolated(clip(text or EMPTY, limit))


def _entry(job: Job, key: str) -> Any:
    return job.data.get(key) if isinstance(job.data, dict) else None
