"""Jobs in the admin: every change goes through the queue's verbs."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from jobs_app import queue
from jobs_app.admin.forms import JobForm
from jobs_app.admin.html import outcome, status, timing
from jobs_app.models import FINISHED, UNFINISHED, Job, JobAttempt, JobStatus
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
class JobAdmin(SessionLinkMixin, BaseAdmin):
    form = JobForm
    list_display = ["name", "of_session", "state", "tries", "created", "time", "failure"]
    list_filter = [SessionFilter, "status", "session__provider", "created_at"]
    list_select_related = ["session"]
    search_fields = ["data", "session__name", "error", "=id", "=prompt_id"]
    search_help_text = "Words of the prompt or the error, a session's name, or an id"
    ordering = ["-id"]
    autocomplete_fields = ["session"]
    actions = ["cancel_selected", "retry_selected"]
    edited = ["prompt", "model_name", "allowed_tools", "max_attempts"]
    facts = ["of_session", "state", "tries", "created", "time", "failure_text", "id", "prompt_id"]

    class Media:
        css = {"all": ["jobs_app/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return Job.objects.titled().defer("session__context")

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
        return request.user.has_perm("jobs_app.run_job")

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
        found = [(None, {"fields": self.edited}), ("Progress", {"fields": self.facts})]
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
        context["verbs"] = self._verbs(request, kwargs.get("obj"))
        return super().render_change_form(request, context, *args, **kwargs)

    def _verbs(self, request: HttpRequest, job: Job | None) -> list[tuple[str, str]]:
        """URL and name of what may be done with this job now."""
        if job is None or not self.has_run_permission(request):
            return []
        offered = {"cancel": job.status in UNFINISHED, "retry": job.status in RETRYABLE}
        return [
            (page_url(Job, job.pk, verb), verb.capitalize())
            for verb, possible in offered.items()
            if possible
        ]

    # --- verbs ---

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                f"<path:object_id>/{verb}/",
                wrap(require_POST(view)),
                name=f"jobs_app_job_{verb}",
            )
            for verb, view in [("cancel", self.cancel_view), ("retry", self.retry_view)]
        ] + super().get_urls()

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._act(request, object_id, self._cancel)

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._act(request, object_id, self._retry)

    def _act(
        self, request: HttpRequest, object_id: str, act: Callable[[HttpRequest, list[Job]], None]
    ) -> HttpResponse:
        if not self.has_run_permission(request) or not self.has_view_permission(request):
            raise PermissionDenied
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        act(request, [job])
        return HttpResponseRedirect(page_url(Job, job.pk))

    @admin.action(permissions=["run"], description="Cancel selected jobs")
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._cancel(request, queryset)

    @admin.action(permissions=["run"], description="Retry selected jobs")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._retry(request, queryset)

    def _cancel(self, request: HttpRequest, jobs: Iterable[Job]) -> None:
        self._apply(request, jobs, queue.cancel, "cancelled", "already finished or stopping")

    def _retry(self, request: HttpRequest, jobs: Iterable[Job]) -> None:
        self._apply(request, jobs, queue.retry, "queued again", "neither failed nor cancelled")

    def _apply(
        self,
        request: HttpRequest,
        jobs: Iterable[Job],
        verb: Callable[[Job], bool],
        done: str,
        unfit: str,
    ) -> None:
        """The verb on each job; says how many it changed, and why not the others."""
        results = [(job, _result(verb, job, unfit)) for job in jobs]
        changed = [job for job, problem in results if problem is None]
        log_changes(request, changed, f"{done.capitalize()}.")
        problems = Counter(problem for _, problem in results if problem)
        skipped = [f"{count} skipped: {problem}" for problem, count in problems.items()]
        level = messages.SUCCESS if changed else messages.WARNING
        self.message_user(request, f"{', '.join([f'{len(changed)} {done}', *skipped])}.", level)

    # --- columns ---

    @admin.display(description="prompt")
    def name(self, job: Job) -> str:
        return isolated(job.title)

    @admin.display(description="status", ordering="status")
    def state(self, job: Job) -> str:
        return status(job.status, job.get_status_display())

    @admin.display(description="attempts", ordering="attempts")
    def tries(self, job: Job) -> str:
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


RETRYABLE = [status for status in FINISHED if status != JobStatus.COMPLETED]


def _result(verb: Callable[[Job], bool], job: Job, unfit: str) -> str | None:
    """None if the verb changed the job, else why not."""
    try:
        return None if verb(job) else unfit
    except ValidationError as refusal:
        return " ".join(refusal.messages).rstrip(".")


def _error(text: str | None, limit: int) -> str:
    return isolated(clip(text or EMPTY, limit))


def _entry(job: Job, key: str) -> Any:
    return job.data.get(key) if isinstance(job.data, dict) else None
