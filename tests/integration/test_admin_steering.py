"""What reaches an agent is set by those who may prompt it, on every way."""

import pytest

from jobs_app.acts import RUN_JOB
from sessions_app import transcript
from sessions_app.models import Session, SessionMessage
from sessions_app.transcript import NewMessage
from tests.integration.admin_pages import staff, text, url

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
