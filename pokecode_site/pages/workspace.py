"""A session's page: its conversation, its jobs and the box for the next prompt."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.template.loader import render_to_string

from jobs_app import queue, steering
from jobs_app.acts import RUN_JOB
from jobs_app.admin.answer_form import AnswerForm
from jobs_app.admin.forms import PromptForm
from jobs_app.models import Job, JobAttempt, JobStatus, JobSteer, SessionHost, Worker
from jobs_app.trusts import NOT_TRUSTED, TRUST_PROJECT, TRUSTED, is_trusted
from pokecode_site.pages import drafts, requests, telling
from sessions_app.admin.base import may_read_messages
from sessions_app.display import rendering
from sessions_app.display.html import page_url
from sessions_app.models import Provider, Session
from sessions_app.visible import visible

PENDING_SHOWN = 20
FAILURES_SHOWN = 3


LOOKS: dict[str, dict[str, Any]] = {
    "prompt": {"rows": 3, "placeholder": "What should the agent do?"},
    "model_name": {"autocomplete": "off", "spellcheck": "false"},
    "allowed_tools": {"rows": 2, "spellcheck": "false"},
    "approvals": {},
    "images": {},
}
"""Attributes of the fields here, where they are smaller than on the admin's page of a job."""

NOT_TOLD = "Images cannot be told to an agent that works: queue the prompt, or remove them."


class NextPromptForm(PromptForm):
    """The next prompt of one session."""

    def __init__(self, session: Session, data: Any = None, files: Any = None) -> None:
        # The form of the session stands on the same page and has a field of tools as well.
        super().__init__(data, files, auto_id="next_%s")
        self.session = session
        if session.provider == Provider.CODEX_CLI:  # its sandbox decides, not a list of tools
            del self.fields["allowed_tools"]
        for name, form_field in self.fields.items():
            form_field.widget.attrs = LOOKS[name]

    def enqueue(self) -> Job | None:
        """The queued job, or None with the reason among this form's errors."""
        return self.ask(partial(queue.enqueue, self.session))

    def tell(self, job: Job, by: str) -> JobSteer | Job | None:
        """What `steering.steer` made of it, or None as above."""

        def steer(*, prompt: str, images: Sequence[Any], **_: Any) -> JobSteer | Job:
            if images:
                raise ValidationError(NOT_TOLD)
            return steering.steer(job, prompt, by=by)

        return self.ask(steer)


def can_follow(request: HttpRequest) -> bool:
    """Only an asynchronous server keeps a stream open without a thread of its own."""
    return isinstance(request, ASGIRequest)


def may_read_prompts(request: HttpRequest) -> bool:
    return any(map(request.user.has_perm, ("jobs_app.view_job", "jobs_app.change_job", RUN_JOB)))


def url(session: Session) -> str:
    return page_url(Session, session.pk)


def page_context(
    request: HttpRequest,
    session: Session,
    form: NextPromptForm | None,
    answer: AnswerForm | None = None,
) -> dict[str, Any]:
    """What the whole page shows; `?before=` asks for an earlier part of the conversation."""
    before = request.GET.get("before") or None
    may_read = may_read_messages(request)
    page = rendering.page(session, before) if may_read else rendering.EMPTY
    cards = requests.cards_of(request, session, page.entries, answer)
    return {
        **fragment_context(request, session),
        "title": visible(session.name),
        "session_url": url(session),
        "page": page,
        "rows": [(entry, cards.beside(entry)) for entry in page.entries],
        "other_cards": cards.others,
        "draft": drafts.of_session(session.pk) if may_read and before is None else drafts.NONE,
        "is_latest": before is None,
        "is_live": before is None and can_follow(request),
        "prompt_form": form or NextPromptForm(session),
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
        **telling.context(session),
        "session": session,
        "run": run,
        "waiting": requests.waiting_jobs(session),
        "run_is_abandoned": run is not None and run.worker_id not in workers,
        "pending": pending[:PENDING_SHOWN],
        "more_pending": len(pending) > PENDING_SHOWN,
        "failures": jobs.filter(status=JobStatus.FAILED).order_by("-pk")[:FAILURES_SHOWN],
        "trusted": trusted,
        "trust_told": TRUSTED if trusted else NOT_TRUSTED,
        "may_read_messages": may_read_messages(request),
        "may_read_prompts": may_read_prompts(request),
        "may_run": request.user.has_perm(RUN_JOB),
        "may_trust": request.user.has_perm(TRUST_PROJECT),
        "worker_missing": bool(pending) and not workers,
    }


def _hosts(session: Session, manned: set[str]) -> dict[str, Any]:
    """The session's host, whether a worker runs there, and where else one does."""
    host = SessionHost.objects.filter(session=session).values_list("host", flat=True).first()
    return {
        "host": host,
        "host_has_worker": host in manned,
        "other_hosts": sorted(manned - {host}) if host else [],
    }


def fragments(request: HttpRequest, session: Session) -> dict[str, str]:
    """Element id -> HTML of the parts that follow the session."""
    context = fragment_context(request, session)
    return {
        "session-status": render_to_string("pokecode_site/session_status.html", context),
        "session-jobs": render_to_string("pokecode_site/session_jobs.html", context),
        "session-acts": render_to_string("pokecode_site/session_acts.html", context),
        "session-told": render_to_string("pokecode_site/session_told.html", context),
    }
