"""A session's page: its conversation, its jobs and the box for the next prompt."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.template.loader import render_to_string

from jobs_app.acts import RUN_JOB
from jobs_app.models import Job, JobAttempt, JobStatus, SessionHost, Worker
from jobs_app.trusts import NOT_TRUSTED, TRUST_PROJECT, TRUSTED, is_trusted
from sessions_app.display import rendering
from sessions_app.display.html import page_url
from sessions_app.models import Provider, Session
from sessions_app.visible import visible

PENDING_SHOWN = 20
FAILURES_SHOWN = 3


class PromptForm(forms.Form):
    """The next prompt of one session."""

    prompt = forms.CharField(
        strip=False,
        error_messages={"required": "The prompt is empty: write what the agent should do."},
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "What should the agent do?"}),
    )
    model = forms.CharField(
        required=False,
        help_text="Empty: the agent's own default.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    allowed_tools = forms.CharField(
        required=False,
        help_text="One a line, such as Bash(npm test:*). Empty: what the session allows.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )

    def __init__(self, session: Session, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session = session
        if session.provider == Provider.CODEX_CLI:  # its sandbox decides, not a list of tools
            del self.fields["allowed_tools"]

    def clean_prompt(self) -> str:
        # A browser sends every line break as CR LF; the agent gets what was typed.
        return str(self.cleaned_data["prompt"]).replace("\r\n", "\n")

    def enqueue(self) -> Job | None:
        """The queued job, or None with the reason among this form's errors."""
        if not self.is_valid():
            return None
        tools = self.cleaned_data.get("allowed_tools", "").splitlines()
        try:
            return Job.objects.enqueue(
                self.session,
                self.cleaned_data["prompt"],
                model=self.cleaned_data["model"].strip() or None,
                allowed_tools=[tool.strip() for tool in tools if tool.strip()] or None,
            )
        except ValidationError as error:
            self.add_error(None, error.messages)
            return None


def can_follow(request: HttpRequest) -> bool:
    """Only an asynchronous server keeps a stream open without a thread of its own."""
    return isinstance(request, ASGIRequest)


def url(session: Session) -> str:
    return page_url(Session, session.pk)


def page_context(request: HttpRequest, session: Session, form: PromptForm | None) -> dict[str, Any]:
    """What the whole page shows; `?before=` asks for an earlier part of the conversation."""
    before = request.GET.get("before", "").replace("\0", "") or None
    return {
        **fragment_context(request, session),
        "title": visible(session.name),
        "session_url": url(session),
        "page": rendering.page(session, before),
        "is_latest": before is None,
        "is_live": before is None and can_follow(request),
        "prompt_form": form or PromptForm(session),
    }


def fragment_context(request: HttpRequest, session: Session) -> dict[str, Any]:
    """What the parts show that follow the session: its state and its jobs."""
    jobs = Job.objects.titled().filter(session=session)
    pending = list(jobs.pending().order_by("pk")[: PENDING_SHOWN + 1])
    run = JobAttempt.objects.open().filter(session=session).titled().first()
    workers = dict(Worker.objects.alive().values_list("pk", "host"))
    trusted = is_trusted(session.project_path)
    return {
        **_hosts(session, set(workers.values())),
        "session": session,
        "run": run,
        "run_is_abandoned": run is not None and run.worker_id not in workers,
        "pending": pending[:PENDING_SHOWN],
        "more_pending": len(pending) > PENDING_SHOWN,
        "failures": jobs.filter(status=JobStatus.FAILED).order_by("-pk")[:FAILURES_SHOWN],
        "trusted": trusted,
        "trust_told": TRUSTED if trusted else NOT_TRUSTED,
        "may_run": request.user.has_perm(RUN_JOB),
        "may_trust": request.user.has_perm(TRUST_PROJECT),
        "worker_missing": bool(pending) and not workers,
    }


def _hosts(session: Session, manned: set[str]) -> dict[str, Any]:
    """Where the session is at home, whether a worker runs there, and where else one does."""
    home = SessionHost.objects.filter(session=session).values_list("host", flat=True).first()
    return {
        "home": home,
        "home_has_worker": home in manned,
        "other_hosts": sorted(manned - {home}) if home else [],
    }


def fragments(request: HttpRequest, session: Session) -> dict[str, str]:
    """Element id -> HTML of the parts that follow the session."""
    context = fragment_context(request, session)
    return {
        "session-status": render_to_string("pokecode_site/session_status.html", context),
        "session-jobs": render_to_string("pokecode_site/session_jobs.html", context),
    }
