"""Who may do what: every role at every page and every act of the admin."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from jobs_app import queue
from jobs_app.models import (
    Job,
    JobAttempt,
    JobDraft,
    JobOptions,
    JobRequest,
    JobSteer,
    ProjectTrust,
    SessionOptions,
    Worker,
)
from jobs_app.outcomes import Outcome
from sessions_app import transcript
from sessions_app.models import Session, SessionMessage
from sessions_app.transcript import NewMessage
from tests.asked import ask, bash
from tests.integration.admin_pages import act, client_of, confirm, staff, text, url
from tests.leasing import claim, end

TALK = [JobRequest, JobSteer, JobDraft]
OPTIONS = [SessionOptions, JobOptions]
MODELS = [Session, SessionMessage, Job, JobAttempt, Worker, ProjectTrust, *TALK, *OPTIONS]
VIEW = [f"{model._meta.app_label}.view_{model._meta.model_name}" for model in MODELS]
CHANGE = [
    f"{app}.{verb}_{model}"
    for app, model in [("sessions_app", "session"), ("sessions_app", "sessionmessage")]
    for verb in ("add", "change", "delete")
]
JOBS = [f"jobs_app.{verb}_job" for verb in ("add", "change", "delete")]
ROLES = {
    "anonymous": None,
    "nobody": [],
    "viewer": VIEW,
    "editor without run_job": [*VIEW, *CHANGE, *JOBS],
    "runner": [*VIEW, "jobs_app.run_job"],
    "runner and editor": [*VIEW, *CHANGE, *JOBS, "jobs_app.run_job"],
    "answerer": ["jobs_app.view_jobrequest", "jobs_app.answer_request"],
    "viewer of talk without messages": [f"jobs_app.view_{each._meta.model_name}" for each in TALK],
}
OK, MOVED, FORBIDDEN = 200, 302, 403


@pytest.fixture
def rows(session, worker):
    """One row of each model; the job has failed, so that all but cancelling is possible."""
    [message] = transcript.append([NewMessage(session.pk, session.provider, "user", "{}")])
    job = queue.enqueue(session, "Look", approvals="deny")
    [attempt] = claim(worker)
    request = ask(attempt, bash())
    steer = job.steer("Faster.")
    JobSteer.objects.update(read_at=timezone.now())
    SessionOptions.objects.keep(session, approvals="ask")
    options = [SessionOptions.objects.get(), JobOptions.objects.get()]
    end(attempt, Outcome.FAILED, "No.", permanent=True)
    trust = ProjectTrust.objects.create(path="project", trusted_by="root")
    draft = JobDraft.objects.create(attempt=attempt, session=session, text="I am")
    talk = [request, steer, draft]
    known = [session, message, job, attempt, worker, trust, *talk, *options]
    return dict(zip(MODELS, known, strict=True))


def client(role):
    permissions = ROLES[role]
    return Client() if permissions is None else staff(*permissions)


def statuses(role, model, rows):
    """What a role gets for reading a model's list and page, and for its forms to add and delete."""
    visitor, pk = client(role), rows[model].pk
    pages = [url(model), url(model, "change", pk), url(model, "add"), url(model, "delete", pk)]
    return [visitor.get(page).status_code for page in pages]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("role", "status"), [("anonymous", MOVED), ("nobody", FORBIDDEN)])
def test_without_permissions_there_is_no_page(rows, role, status, model):
    assert statuses(role, model, rows) == [status] * 4


@pytest.mark.parametrize("model", MODELS)
def test_a_viewer_reads_and_cannot_open_a_form(rows, model):
    assert statuses("viewer", model, rows) == [OK, OK, FORBIDDEN, FORBIDDEN]


@pytest.mark.parametrize(
    ("role", "model", "expected"),
    [
        ("editor without run_job", Session, [OK, OK, OK, OK]),
        ("editor without run_job", SessionMessage, [OK, OK, OK, OK]),
        ("editor without run_job", Job, [OK, OK, FORBIDDEN, OK]),
        ("editor without run_job", ProjectTrust, [OK, OK, FORBIDDEN, FORBIDDEN]),
        ("runner", Job, [OK, OK, FORBIDDEN, FORBIDDEN]),
        ("runner and editor", Job, [OK, OK, OK, OK]),
        ("runner and editor", JobAttempt, [OK, OK, FORBIDDEN, FORBIDDEN]),
        ("runner and editor", Worker, [OK, OK, FORBIDDEN, FORBIDDEN]),
        ("runner and editor", ProjectTrust, [OK, OK, FORBIDDEN, FORBIDDEN]),
        ("runner and editor", JobRequest, [OK, OK, FORBIDDEN, FORBIDDEN]),
        ("runner and editor", SessionOptions, [OK, OK, FORBIDDEN, FORBIDDEN]),
        ("answerer", JobRequest, [OK, OK, FORBIDDEN, FORBIDDEN]),
        ("answerer", JobSteer, [FORBIDDEN] * 4),
        ("viewer of talk without messages", JobRequest, [FORBIDDEN] * 4),
        ("viewer of talk without messages", JobSteer, [FORBIDDEN] * 4),
        ("viewer of talk without messages", JobDraft, [FORBIDDEN] * 4),
    ],
)
def test_a_permission_opens_its_own_pages_alone(rows, role, model, expected):
    assert statuses(role, model, rows) == expected


@pytest.mark.parametrize(
    ("role", "may_run"),
    [("viewer", False), ("editor without run_job", False), ("runner", True)],
)
@pytest.mark.parametrize("by", ["button", "action"])
def test_only_run_job_retries(rows, role, may_run, by):
    visitor, job = client(role), rows[Job]
    retry = url(Job, "retry", job.pk)
    assert (retry in text(visitor.get(url(Job, "change", job.pk)))) is may_run
    assert ("retry_selected" in text(visitor.get(url(Job)))) is may_run
    if by == "button":
        assert visitor.post(retry).status_code == (MOVED if may_run else FORBIDDEN)
    else:
        act(visitor, Job, "retry_selected", [job])
    job.refresh_from_db()
    assert (job.status == "pending") is may_run


@pytest.mark.parametrize(
    ("role", "may_run"),
    [("viewer", False), ("editor without run_job", False), ("runner", True)],
)
@pytest.mark.parametrize("by", ["button", "action"])
def test_only_run_job_cancels(rows, role, may_run, by):
    job = queue.enqueue(rows[Session], "Wait")
    visitor = client(role)
    if by == "button":
        visitor.post(url(Job, "cancel", job.pk))
    else:
        act(visitor, Job, "cancel_selected", [job])
    job.refresh_from_db()
    assert (job.status == "cancelled") is may_run


@pytest.mark.parametrize("role", ["viewer", "editor without run_job", "runner"])
def test_a_job_is_not_queued_or_edited_without_all_it_takes(rows, role):
    waiting = queue.enqueue(rows[Session], "Wait")
    form = {"session": rows[Session].pk, "prompt": "Run this", "max_attempts": "1"}
    visitor = client(role)
    assert visitor.post(url(Job, "add"), form).status_code == FORBIDDEN
    assert visitor.post(url(Job, "change", waiting.pk), form).status_code == FORBIDDEN
    assert not Job.objects.filter(data__contains="Run this").exists()


@pytest.mark.parametrize("model", [Session, SessionMessage, Job])
def test_a_viewer_changes_nothing_by_posting(rows, model):
    visitor, row = client("viewer"), rows[model]
    before = list(model.objects.values())
    for page in (url(model, "change", row.pk), url(model, "delete", row.pk), url(model, "add")):
        assert visitor.post(page, {"post": "yes", "name": "x"}).status_code == FORBIDDEN
    confirm(visitor, model, [row])
    for action in ("archive", "activate", "trust_projects"):
        act(visitor, Session, action, [rows[Session]])
    assert list(model.objects.values()) == before


def test_choosing_a_session_needs_the_permission_to_see_sessions(db, session):
    query = {"app_label": "jobs_app", "model_name": "job", "field_name": "session"}
    page = "/admin/autocomplete/"
    assert staff("jobs_app.view_job").get(page, query).status_code == FORBIDDEN
    assert staff("sessions_app.view_session").get(page, query).status_code == OK


def test_no_address_of_the_admin_answers_a_visitor_without_login(db):
    """Also those that are added later: the pages come from the site's own list."""
    patterns = next(
        found.url_patterns
        for found in get_resolver().url_patterns
        if getattr(found, "namespace", None) == "admin"
    )
    routes = list(_routes(patterns, "/admin/"))
    answered = {
        route for route in routes if Client().get(route).status_code not in {MOVED, FORBIDDEN, 405}
    }
    assert len(routes) > 40
    assert answered == {"/admin/login/"}


def _routes(patterns, prefix):
    for pattern in patterns:
        route = prefix + str(pattern.pattern).strip("^$")
        if hasattr(pattern, "url_patterns"):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield _filled(route)


def _filled(route):
    for part, value in [("<path:object_id>", "x"), ("<int:content_type_id>", "1")]:
        route = route.replace(part, value)
    return route.split("<")[0].split("(")[0]


def test_a_user_who_is_no_staff_gets_in_nowhere(db, rows):
    visitor = client_of(User.objects.create_user("reader"))
    assert all(visitor.get(url(model)).status_code == MOVED for model in MODELS)


@pytest.mark.parametrize("page", ["cancel", "retry", "change", "delete"])
def test_a_post_without_its_token_is_refused(admin_user, rows, page):
    visitor = Client(enforce_csrf_checks=True)
    visitor.force_login(admin_user, "django.contrib.auth.backends.ModelBackend")
    response = visitor.post(url(Job, page, rows[Job].pk), {"post": "yes"})
    assert response.status_code == FORBIDDEN
    assert Job.objects.get().status == "failed"
