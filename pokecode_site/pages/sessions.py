"""The session's page in the admin: the stock form, and around it the workspace."""

from typing import Any
from urllib.parse import parse_qsl

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_POST

from jobs_app import queue
from jobs_app.acts import ACTS, RUN_JOB, Act, Result
from jobs_app.admin.answer_form import AnswerForm
from jobs_app.admin.jobs import apply_and_log
from jobs_app.admin.sessions import SessionJobsAdmin
from jobs_app.answers import may_answer
from jobs_app.models import Job, JobSteer, Worker
from pokecode_site.pages import live, requests, telling, workspace
from sessions_app.models import Session
from sessions_app.visible import visible


@admin.register(Session)
class WorkspaceAdmin(SessionJobsAdmin):
    add_form_template = "admin/change_form.html"
    change_form_template = "pokecode_site/workspace.html"

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        base = "<path:object_id>"
        name = "sessions_app_session"
        return [
            path(f"{base}/events/", guard(require_GET(self.events_view)), name=f"{name}_events"),
            path(f"{base}/move/", guard(require_POST(self.move_view)), name=f"{name}_move"),
            path(f"{base}/prompt/", guard(require_POST(self.prompt_view)), name=f"{name}_prompt"),
            path(
                f"{base}/jobs/<str:job_id>/tell/",
                guard(require_POST(self.tell_view)),
                name=f"{name}_tell",
            ),
            path(
                f"{base}/jobs/<str:job_id>/<str:verb>/",
                guard(require_POST(self.job_view)),
                name=f"{name}_job",
            ),
            path(
                f"{base}/requests/<str:request_id>/",
                guard(require_GET(self.request_view)),
                name=f"{name}_request",
            ),
            path(
                f"{base}/requests/<str:request_id>/answer/",
                guard(require_POST(self.answer_view)),
                name=f"{name}_answer",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return self._page(request, object_id, form_url, extra_context)

    def response_post_save_add(self, request: HttpRequest, obj: Session) -> HttpResponseRedirect:
        """To the new session, whose next step is a prompt; the stock goal is the list."""
        if self.has_view_permission(request, obj):
            return HttpResponseRedirect(self._url(request, obj))
        return super().response_post_save_add(request, obj)

    def prompt_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queue a prompt; on a mistake show the page again with the reason and the text."""
        session = self._session(request, object_id, runs_code=True)
        form = workspace.NextPromptForm(session, request.POST, request.FILES)
        job = form.enqueue()
        if job is not None:
            self.log_change(request, session, f"Queued the job {job.pk}.")
            return self._done(request, session)
        return self._refused(request, object_id, session, form)

    def tell_view(self, request: HttpRequest, object_id: str, job_id: str) -> HttpResponse:
        """Tell a running agent something; a mistake is answered as that of a prompt is."""
        session = self._session(request, object_id, runs_code=True)
        job = get_object_or_404(Job, pk=job_id, session=session)
        form = workspace.NextPromptForm(session, request.POST, request.FILES)
        told = form.tell(job, request.user.get_username())
        if told is None:
            return self._refused(request, object_id, session, form)
        is_told = isinstance(told, JobSteer)
        self.log_change(
            request,
            session,
            f"Told the agent something in the job {job.pk}."
            if is_told
            else f"Queued the job {told.pk}.",
        )
        return self._done(request, session)

    def _done(self, request: HttpRequest, session: Session) -> HttpResponse:
        """The page shows by itself what became of it."""
        if telling.is_by_script(request):
            return HttpResponse(status=204)
        return HttpResponseRedirect(f"{self._url(request, session)}#prompt")

    def _refused(
        self,
        request: HttpRequest,
        object_id: str,
        session: Session,
        form: workspace.NextPromptForm,
    ) -> HttpResponse:
        # The stock view would take the posted prompt for its own form.
        request.method = "GET"
        return self._page(request, object_id, self._url(request, session), None, form)

    def job_view(
        self, request: HttpRequest, object_id: str, job_id: str, verb: str
    ) -> HttpResponse:
        """Cancel, interrupt or retry one of the session's jobs."""
        session = self._session(request, object_id, runs_code=True)
        if verb not in ACTS:
            raise Http404
        job = get_object_or_404(Job, pk=job_id, session=session)
        result = apply_and_log(request, ACTS[verb], [job])
        if telling.is_by_script(request):
            return HttpResponse(status=204)
        _answer(request, ACTS[verb], result)
        return HttpResponseRedirect(self._url(request, session))

    def move_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the workers of another host run the session's prompts."""
        session = self._session(request, object_id, runs_code=True)
        host = request.POST.get("host", "")
        try:
            if not Worker.objects.alive().filter(host=host.replace("\0", "")).exists():
                raise ValidationError("No worker is running on that host: start one there first.")
            queue.move(session, host)
            self.log_change(request, session, f"Moved to {host}.")
            messages.success(request, f"The session's prompts run on {visible(host)} from now on.")
        except ValidationError as refusal:
            return self.refuse(request, refusal, self._url(request, session))
        return HttpResponseRedirect(self._url(request, session))

    def request_view(self, request: HttpRequest, object_id: str, request_id: str) -> HttpResponse:
        """What an agent asks, whole."""
        session = self._session(request, object_id)
        return requests.page(self, request, requests.find(request, session, request_id))

    def answer_view(self, request: HttpRequest, object_id: str, request_id: str) -> HttpResponse:
        """Answer it, once; on a mistake show the card again with the reason and the text."""
        session = self._session(request, object_id)
        if not may_answer(request.user):
            raise PermissionDenied
        found = requests.find(request, session, request_id).request
        form = AnswerForm(found, request.POST)
        is_given = requests.give(request, form)
        if requests.wants_card(request):
            return requests.answer_in_place(request, found.pk, requests.errors(form))
        found.refresh_from_db(fields=["answered_at", "closed_at"])
        if found.is_open:
            request.method = "GET"
            return self._page(request, object_id, self._url(request, session), None, answer=form)
        if not is_given:
            messages.error(request, requests.errors(form))
        return HttpResponseRedirect(f"{self._url(request, session)}#request-{found.pk}")

    def events_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        return live.respond(self, request, self._session(request, object_id))

    def _page(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str,
        extra_context: dict[str, Any] | None,
        prompt_form: workspace.NextPromptForm | None = None,
        answer: AnswerForm | None = None,
    ) -> HttpResponse:
        context = {"is_nav_sidebar_enabled": False, **(extra_context or {})}
        session = self.get_object(request, unquote(object_id))
        if session is not None and self.has_view_permission(request, session):
            if request.method == "GET":
                session.touch()
            context |= workspace.page_context(request, session, prompt_form, answer)
            context["list_filters"] = dict(parse_qsl(self.get_preserved_filters(request)))
        return super().change_view(request, object_id, form_url, context)

    def _url(self, request: HttpRequest, session: Session) -> str:
        return self.keep_filters(request, workspace.url(session))

    def _session(self, request: HttpRequest, object_id: str, *, runs_code: bool = False) -> Session:
        session = get_object_or_404(Session, pk=unquote(object_id))
        allowed = self.has_view_permission(request, session)
        if not allowed or (runs_code and not request.user.has_perm(RUN_JOB)):
            raise PermissionDenied
        return session


def _answer(request: HttpRequest, act: Act, result: Result) -> None:
    """What became of the one job that it was done to."""
    for sentence in result.refusals:
        messages.error(request, sentence)
    for job in result.changed:
        messages.success(request, act.answer_done(job))
    if result.unfit:
        messages.warning(request, act.answer_not_done)
