"""Sessions in the admin: create, read, edit, archive, delete."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from jobs_app import queue
from jobs_app.models import Job, ProjectTrust
from sessions_app import transcript
from sessions_app.models import Session, SessionMessage
from sessions_app.transcript import NewMessage
from tests.integration.admin_pages import (
    act,
    confirm,
    errors,
    inputs,
    said,
    staff,
    text,
    typed,
    url,
)
from tests.leasing import claim


def add_messages(session, count=1, tokens=None):
    lines = [
        NewMessage(session.pk, session.provider, "user", '{"type": "user"}', token_count=tokens)
        for _ in range(count)
    ]
    return transcript.append(lines)


def new(path, **more):
    return {"project_path": str(path), "provider": "claude-code", "name": "", **more}


def edit(session, **changes):
    return {"name": session.name, "state": session.state, "context": "", **changes}


def test_adding_fills_in_name_repository_and_branch(admin_client, git_project):
    fields = new(git_project, context="Be brief.", allowed_tools="Read\r\n\r\nEdit\r\n")
    response = admin_client.post(url(Session, "add"), fields)
    session = Session.objects.get()
    assert response.url == url(Session, "change", session.pk)
    assert (session.name, session.project_path) == ("project", str(git_project))
    assert session.metadata == {"branch": "main", "allowedTools": ["Read", "Edit"]}
    assert session.context == "Be brief."
    assert session.claude_directory_path


def test_the_form_for_a_new_session_names_the_project_roots(admin_client, settings, tmp_path):
    settings.POKECODE_PROJECT_ROOTS = [tmp_path / "<b>"]
    page = admin_client.get(url(Session, "add")).content.decode()
    assert f"the agent is to run, in {tmp_path}/&lt;b&gt;." in page


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"project_path": "/nowhere/at/all"}, "There is no directory '/nowhere/at/all'"),
        ({"project_path": "/etc"}, "outside the project roots"),
        ({"provider": "gemini"}, "Select a valid choice"),
        ({"allowed_tools": "Read,Bash"}, "'Read,Bash' is not a tool"),
        ({"provider": "codex-cli", "allowed_tools": "Read"}, "Codex takes no list"),
        ({"name": "a\x00b"}, "Null characters are not allowed"),
    ],
)
def test_a_session_that_cannot_be_is_refused_with_what_was_typed(
    admin_client, project, fields, complaint
):
    response = admin_client.post(url(Session, "add"), new(project, context="Kept", **fields))
    assert complaint in errors(response)
    assert "Kept" in text(response)
    assert not Session.objects.exists()


def test_the_second_of_two_who_edit_one_session_is_told(admin_client, session):
    first = staff("sessions_app.view_session", "sessions_app.change_session", "jobs_app.run_job")
    address = url(Session, "change", session.pk)
    second_sends = typed(admin_client, session, context="The second's words")
    first.post(address, typed(first, session, name="Renamed", context="The first's words"))
    page = admin_client.post(address, second_sends)
    assert "staff1</bdi> changed this at" in errors(page)
    assert inputs(page)["context"] == "The second's words"
    assert Session.objects.get().context == "The first's words"
    assert admin_client.post(address, inputs(page)).status_code == 302
    changed = Session.objects.get()
    assert (changed.name, changed.context) == (session.name, "The second's words")


def test_a_session_that_is_archived_while_it_is_edited_is_not_made_active_again(
    admin_client, session
):
    sent = typed(admin_client, session, name="New name")
    act(admin_client, Session, "archive", [session])
    assert "changed this at" in errors(admin_client.post(url(Session, "change", session.pk), sent))
    assert Session.objects.get().state == "inactive"


def test_what_a_worker_does_meanwhile_is_no_change_of_a_session(admin_client, session, worker):
    sent = typed(admin_client, session, name="New name")
    queue.enqueue(session, "Work")
    claim(worker)
    add_messages(session, 3)
    assert admin_client.post(url(Session, "change", session.pk), sent).status_code == 302
    changed = Session.objects.get()
    assert (changed.name, changed.is_working) == ("New name", True)


def test_editing_changes_what_the_form_names_and_nothing_else(admin_client, session, tmp_path):
    forged = {"project_path": str(tmp_path), "provider": "codex-cli", "message_count": "7"}
    forged |= {"metadata": '{"allowedTools": ["Bash"]}', "is_working": "on", "id": "other"}
    admin_client.post(
        url(Session, "change", session.pk),
        edit(session, name="New name", allowed_tools="Read", **forged),
    )
    changed = Session.objects.get()
    assert (changed.pk, changed.name, changed.allowed_tools) == (session.pk, "New name", ["Read"])
    assert (changed.project_path, changed.provider) == (session.project_path, "claude-code")
    assert (changed.message_count, changed.is_working) == (0, False)


@pytest.mark.parametrize("metadata", ['"text"', "[]", '{"allowedTools": 5}', "no JSON"])
def test_metadata_that_was_edited_behind_our_back_is_no_obstacle(admin_client, session, metadata):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sessions SET metadata = %s", [metadata])
    assert Session.objects.get().allowed_tools == []
    admin_client.post(url(Session, "change", session.pk), edit(session, allowed_tools="Read"))
    session.refresh_from_db()
    assert (session.allowed_tools, session.context) == (["Read"], None)


def test_editing_keeps_what_a_worker_changes_at_the_same_moment(admin_client, session, monkeypatch):
    """The form was loaded before a message came; saving it must not undo the count."""
    saved = Session.save

    def save_late(self, **options):
        add_messages(session, tokens=5)
        saved(self, **options)

    monkeypatch.setattr(Session, "save", save_late)
    admin_client.post(url(Session, "change", session.pk), edit(session, name="Renamed"))
    session.refresh_from_db()
    assert (session.name, session.message_count, session.token_count) == ("Renamed", 1, 5)


def test_tools_are_refused_where_the_agent_takes_none(admin_client, project):
    session = Session.objects.create_for_path(project, provider="codex-cli")
    response = admin_client.post(
        url(Session, "change", session.pk), edit(session, allowed_tools="Read")
    )
    assert "Codex takes no list of allowed tools" in errors(response)
    session.refresh_from_db()
    assert session.allowed_tools == []


def test_archived_sessions_leave_the_list_and_come_back(admin_client, make_session):
    kept, archived = make_session("kept"), make_session("archived")
    response = act(admin_client, Session, "archive", [kept, archived])
    assert said(response) == ["2 archived."]
    response = act(admin_client, Session, "activate", [kept], "state=all")
    assert said(response) == ["1 made active again."]
    shown = admin_client.get(url(Session)).context["cl"].result_list
    assert [session.pk for session in shown] == [kept.pk]
    shown = admin_client.get(url(Session), {"state": "inactive"}).context["cl"].result_list
    assert [session.pk for session in shown] == [archived.pk]
    assert "Archived." in LogEntry.objects.values_list("change_message", flat=True)


def test_archiving_says_what_it_skipped(admin_client, make_session):
    one, two = make_session("one"), make_session("two")
    act(admin_client, Session, "archive", [two])
    response = act(admin_client, Session, "archive", [one, two], "state=all")
    assert said(response) == ["1 archived, 1 skipped: nothing to change."]


def test_the_list_is_searched_by_name_and_path(admin_client, make_session):
    wanted = make_session("pelican")
    make_session("heron")
    shown = admin_client.get(url(Session), {"q": "pelic"}).context["cl"].result_list
    assert [session.pk for session in shown] == [wanted.pk]


def test_a_session_links_to_its_messages_jobs_and_a_new_job(admin_client, session):
    add_messages(session, 3)
    page = text(admin_client.get(url(Session)))
    assert f'{url(SessionMessage)}?session={session.pk}">3</a>' in page
    assert f'{url(Job)}?session={session.pk}">jobs</a>' in page
    response = admin_client.get(url(Job, "add"), {"session": session.pk})
    assert response.context["adminform"].form.initial["session"] == session.pk


def test_deleting_asks_with_the_number_of_messages_and_jobs(admin_client, session):
    add_messages(session, 4)
    queue.enqueue(session, "Look")
    page = text(admin_client.get(url(Session, "delete", session.pk)))
    assert "<li>messages: 4</li>" in page.lower()
    assert "<li>jobs: 1</li>" in page.lower()
    admin_client.post(url(Session, "delete", session.pk), {"post": "yes"})
    assert not Session.objects.exists()
    assert not SessionMessage.objects.exists()
    assert not Job.objects.exists()


def test_a_session_with_a_running_job_is_not_deleted(admin_client, session, worker):
    queue.enqueue(session, "Look")
    claim(worker)
    response = admin_client.post(url(Session, "delete", session.pk), {"post": "yes"}, follow=True)
    [sentence] = said(response)
    assert sentence == (
        "The session “project” has a running job: cancel the job first, then delete the session."
    )
    assert Session.objects.filter(pk=session.pk).exists()
    assert not LogEntry.objects.exists()


def test_one_running_session_keeps_all_of_a_bulk_deletion(admin_client, make_session, worker):
    idle, busy = make_session("idle"), make_session("busy")
    queue.enqueue(busy, "Look")
    claim(worker)
    [sentence] = said(confirm(admin_client, Session, [idle, busy]))
    assert "“busy” has a running job" in sentence
    assert Session.objects.count() == 2
    assert not LogEntry.objects.exists()


def test_deleting_needs_the_permission_on_what_goes_with_it(session):
    add_messages(session)
    queue.enqueue(session, "Look")
    client = staff("sessions_app.delete_session", "sessions_app.view_session")
    page = text(client.get(url(Session, "delete", session.pk)))
    assert "doesn't have permission to delete" in page
    assert client.post(url(Session, "delete", session.pk), {"post": "yes"}).status_code == 403
    assert confirm(client, Session, [session]).status_code == 403
    assert Session.objects.exists()


def test_trusting_a_project_needs_its_own_permission_and_is_logged(session):
    permissions = ["sessions_app.view_session", "sessions_app.change_session"]
    refused = act(staff(*permissions), Session, "trust_projects", [session])
    assert "No action selected." in said(refused)
    assert not ProjectTrust.objects.exists()

    client = staff(*permissions, "jobs_app.trust_project")
    assert said(act(client, Session, "trust_projects", [session])) == ["1 trusted."]
    trust = ProjectTrust.objects.get()
    assert (trust.path, trust.trusted_by) == (session.project_path, "staff1")
    assert "Trusted" in LogEntry.objects.get().change_message
    again = act(client, Session, "trust_projects", [session])
    assert said(again) == ["0 trusted, 1 skipped: already trusted."]
