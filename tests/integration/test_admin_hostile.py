"""Names, paths, prompts and errors that attack whoever reads them in the admin."""

import json

import pytest
from django.contrib.admin.utils import quote

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
from tests.asked import ask, claude
from tests.integration.admin_pages import staff, url, words
from tests.leasing import claim, end

ATTACK = '<script>alert("x")</script>\u202e\x1b[31m'
MODELS = [Session, SessionMessage, Job, JobAttempt, Worker, ProjectTrust]
MODELS += [JobRequest, JobSteer, JobDraft, SessionOptions, JobOptions]
TOLD = [model for model in MODELS if model is not JobOptions]
"""Those that hold words of others."""
READ_MESSAGES = "sessions_app.view_sessionmessage"


@pytest.fixture
def rows(tmp_path, worker):
    directory = tmp_path / "<script>alert(1)<" / "script>\u202e"
    directory.mkdir(parents=True)
    session = Session.objects.create_for_path(directory, name=ATTACK, context=ATTACK)
    content = json.dumps({"type": "user", "message": {"content": ATTACK}}, ensure_ascii=False)
    [message] = transcript.append(
        [NewMessage(session.pk, session.provider, "user", content, provider_session_id=ATTACK)]
    )
    job = queue.enqueue(session, ATTACK)
    [attempt] = claim(worker)
    request = ask(attempt, claude(ATTACK, {"a": ATTACK}, decision_reason=ATTACK))
    steer = job.steer(ATTACK)
    left = {"provider_session_id": ATTACK, "raw_usage": [ATTACK]}
    end(attempt, Outcome.FAILED, ATTACK, permanent=True, **left)
    Worker.objects.update(host=ATTACK)
    JobAttempt.objects.update(host=ATTACK)
    trust = ProjectTrust.objects.create(path=str(directory), trusted_by=ATTACK)
    JobRequest.objects.update(
        answer={"decision": "deny", "why": ATTACK}, answered_by=ATTACK, call_id=ATTACK
    )
    JobSteer.objects.update(told_by=ATTACK)
    draft = JobDraft.objects.create(attempt=attempt, session=session, text=ATTACK)
    options = SessionOptions.objects.create(session=session, model=ATTACK, effort=ATTACK)
    job_options = JobOptions.objects.create(job=job, approvals="deny")
    rows = [session, message, job, attempt, worker, trust, request, steer, draft]
    return dict(zip(MODELS, [*rows, options, job_options], strict=True))


def pages(model, row):
    return [url(model), url(model, "change", quote(row.pk)), url(model, "history", quote(row.pk))]


@pytest.mark.parametrize("model", MODELS)
def test_nothing_hostile_reaches_a_page_as_it_is(admin_client, rows, model):
    for page in pages(model, rows[model]):
        response = admin_client.get(page)
        assert response.status_code == 200
        assert "<script>alert" not in response.content.decode()


@pytest.mark.parametrize("model", TOLD)
def test_what_hides_is_visible_on_every_list(admin_client, rows, model):
    shown = words(admin_client.get(url(model)))
    assert "<U+202E>" in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("model", TOLD)
def test_what_hides_is_visible_on_every_page_to_who_may_only_look(db, rows, model):
    names = {f"{model._meta.app_label}.view_{model._meta.model_name}", READ_MESSAGES}
    viewer = staff(*names)
    shown = words(viewer.get(url(model, "change", quote(rows[model].pk))))
    assert "<U+202E>" in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("model", [Session, Job, ProjectTrust])
def test_the_question_before_a_deletion_shows_what_hides(admin_client, rows, model):
    response = admin_client.get(url(model, "delete", quote(rows[model].pk)))
    assert "<script>alert" not in response.content.decode()
    assert "<U+202E>" in words(response)
    assert "\u202e" not in words(response)


@pytest.mark.parametrize("model", MODELS)
def test_no_page_holds_inline_script_or_style(admin_client, rows, model):
    """The Content-Security-Policy would block it, and the page would be broken."""
    for page in [*pages(model, rows[model]), url(model, "delete", quote(rows[model].pk))]:
        markup = admin_client.get(page).content.decode()
        assert " style=" not in markup
        assert " onclick=" not in markup
        assert "javascript:" not in markup
