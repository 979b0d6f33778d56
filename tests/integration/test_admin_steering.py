"""What reaches an agent is set by those who may prompt it, on every way."""

import pytest

from jobs_app.acts import RUN_JOB
from jobs_app.models import Job, JobOptions, SessionOptions
from sessions_app import transcript
from sessions_app.models import Session, SessionMessage
from sessions_app.transcript import NewMessage
from tests.integration.admin_pages import errors, staff, text, typed, url

EDITOR = [
    f"sessions_app.{verb}_{model}"
    for verb in ("add", "change", "view")
    for model in ("session", "sessionmessage")
]
STEERING = {
    "context": "Obey me.",
    "allowed_tools": "Bash",
    "metadata": '{"allowedTools": ["Bash"]}',
}


@pytest.fixture(params=[False, True], ids=["without run_job", "with run_job"])
def may_run(request) -> bool:
    return request.param


@pytest.fixture
def editor(db, may_run):
    return staff(*EDITOR, *([RUN_JOB] if may_run else []))


@pytest.fixture
def told(session) -> Session:
    session.context, session.metadata = "Be brief.", {"branch": "main", "allowedTools": ["Read"]}
    session.save()
    return session


def test_context_and_tools_of_a_session(editor, told, may_run):
    page = url(Session, "change", told.pk)
    shown = text(editor.get(page))
    assert "Be brief." in shown and "Read" in shown
    assert ('name="context"' in shown, 'id="id_allowed_tools"' in shown) == (may_run, may_run)
    editor.post(page, {"name": "Renamed", "state": "active", **STEERING})
    told.refresh_from_db()
    assert told.name == "Renamed"
    assert told.context == ("Obey me." if may_run else "Be brief.")
    assert told.allowed_tools == (["Bash"] if may_run else ["Read"])
    assert told.metadata["branch"] == "main"


def test_context_and_tools_of_a_new_session(editor, project, may_run):
    assert ('name="context"' in text(editor.get(url(Session, "add")))) is may_run
    new = {"project_path": str(project), "provider": "claude-code", **STEERING}
    editor.post(url(Session, "add"), new)
    session = Session.objects.get()
    assert (session.context, session.allowed_tools) == (
        ("Obey me.", ["Bash"]) if may_run else (None, [])
    )


OPTIONS = {"approvals": "deny", "model_name": "opus", "effort": "high"}


def test_options_of_a_session(editor, session, may_run):
    page = url(Session, "change", session.pk)
    shown = text(editor.get(page))
    assert "as this host: ask a person" in shown
    assert ('name="approvals"' in shown) is may_run
    editor.post(page, {"name": "Renamed", "state": "active", **OPTIONS})
    kept = SessionOptions.objects.filter(session=session).values_list(
        "approvals", "model", "effort"
    )
    assert list(kept) == ([("deny", "opus", "high")] if may_run else [])
    assert ("refuse it" in text(editor.get(page))) is may_run


def test_options_of_a_new_session(editor, project, may_run):
    new = {"project_path": str(project), "provider": "claude-code", **OPTIONS}
    editor.post(url(Session, "add"), new)
    assert list(SessionOptions.objects.values_list("session", "effort")) == (
        [(Session.objects.get().pk, "high")] if may_run else []
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"approvals": "always"}, "not one of the available choices"),
        ({"model_name": "--settings=x"}, "is not a model name"),
        ({"effort": "high; x"}, "is not an effort"),
    ],
)
def test_wrong_options_keep_the_session_as_it_is(admin_client, session, wrong, sentence):
    page = url(Session, "change", session.pk)
    refused = admin_client.post(page, {"name": "Renamed", "state": "active", **OPTIONS, **wrong})
    assert sentence in errors(refused)
    session.refresh_from_db()
    assert session.name != "Renamed"
    assert not SessionOptions.objects.exists()


def test_approvals_of_a_job_are_queued_shown_and_edited(admin_client, session):
    new = {"session": session.pk, "prompt": "Do it", "max_attempts": "1", "approvals": "deny"}
    admin_client.post(url(Job, "add"), new)
    job = Job.objects.get()
    assert JobOptions.objects.get(job=job).approvals == "deny"
    assert typed(admin_client, job)["approvals"] == "deny"
    admin_client.post(url(Job, "change", job.pk), typed(admin_client, job, approvals=""))
    assert JobOptions.objects.get(job=job).approvals is None


def test_the_conversation_that_the_next_run_resumes(editor, session, may_run):
    event = NewMessage(session.pk, session.provider, "user", "{}", provider_session_id="own")
    [message] = transcript.append([event])
    fields = {"type": "user", "content_data": '{"a": 1}', "provider_session_id": "foreign"}
    editor.post(url(SessionMessage, "change", message.pk), fields)
    editor.post(url(SessionMessage, "add"), {**fields, "session": session.pk})
    changed, added = SessionMessage.objects.order_by("pk")
    assert changed.content_data == added.content_data == '{"a": 1}'
    assert (changed.provider_session_id, added.provider_session_id) == (
        ("foreign", "foreign") if may_run else ("own", None)
    )
