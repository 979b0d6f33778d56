"""Jobs in the admin: adding is enqueueing, and every change is a verb of the queue."""

import json
import re
from urllib.parse import quote_plus

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs_app import queue
from jobs_app.models import MOST_ATTEMPTS, Job, JobAttempt
from jobs_app.outcomes import Outcome
from sessions_app.models import Session
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
from tests.leasing import claim, end


@pytest.fixture
def pending(session):
    return queue.enqueue(session, "Look around", model="sonnet", allowed_tools=["Read"])


@pytest.fixture
def running(make_session, worker):
    job = queue.enqueue(make_session("busy"), "Keep busy")
    claim(worker)
    job.refresh_from_db()
    return job


@pytest.fixture
def failed(make_session, worker):
    return ended(make_session("failing"), worker, "failed", "The agent is not logged in.")


def ended(session, worker, outcome, error=None):
    job = queue.enqueue(session, f"To be {outcome}")
    [attempt] = claim(worker)
    end(attempt, Outcome(outcome), error, permanent=True, exit_code=1 if error else 0)
    job.refresh_from_db()
    return job


def fields(**changes):
    return {"prompt": "Look", "model_name": "", "allowed_tools": "", "max_attempts": "3", **changes}


def test_adding_a_job_queues_its_prompt(admin_client, session):
    form = fields(session=session.pk, prompt="First\r\nSecond", model_name="opus")
    response = admin_client.post(
        url(Job, "add"), {**form, "allowed_tools": "Read\nEdit", "max_attempts": "5"}
    )
    assert response.status_code == 302
    job = Job.objects.get()
    assert job.data == {
        "prompt": "First\nSecond",
        "projectPath": session.project_path,
        "model": "opus",
        "allowedTools": ["Read", "Edit"],
    }
    assert (job.status, job.max_attempts) == ("pending", 5)
    assert LogEntry.objects.get().object_id == job.pk


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"prompt": "  "}, "The prompt is empty"),
        ({"model_name": "--settings=x"}, "is not a model name"),
        ({"allowed_tools": "X,Bash"}, "is not a tool"),
        ({"max_attempts": "0"}, "greater than or equal to 1"),
        ({"max_attempts": str(MOST_ATTEMPTS + 1)}, f"less than or equal to {MOST_ATTEMPTS}"),
        ({"session": "unknown"}, "Select a valid choice"),
    ],
)
def test_a_job_that_cannot_be_is_refused_with_what_was_typed(
    admin_client, session, changes, complaint
):
    form = fields(**{"session": session.pk, "prompt": "Keep these words", **changes})
    response = admin_client.post(url(Job, "add"), form)
    assert complaint in errors(response)
    assert form["prompt"] in text(response)
    assert not Job.objects.exists()


def test_what_the_queue_refuses_is_said_on_the_form(admin_client, session):
    Session.objects.update(state="inactive")
    response = admin_client.post(url(Job, "add"), fields(session=session.pk, prompt="Keep me"))
    assert "This session is archived" in errors(response)
    assert "Keep me" in text(response)
    assert not Job.objects.exists()


def test_forged_fields_of_a_new_job_are_ignored(admin_client, session, tmp_path):
    forged = {"data": '{"prompt": "x", "projectPath": "/"}', "status": "completed", "id": "mine"}
    admin_client.post(
        url(Job, "add"), fields(session=session.pk, projectPath=str(tmp_path), **forged)
    )
    job = Job.objects.get()
    assert job.data == {"prompt": "Look", "projectPath": session.project_path}
    assert job.status == "pending"
    assert job.pk != "mine"


def test_a_pending_job_can_be_edited(admin_client, pending, make_session):
    page = admin_client.get(url(Job, "change", pending.pk))
    initial = page.context["adminform"].form.initial
    assert (initial["prompt"], initial["model_name"]) == ("Look around", "sonnet")
    other = make_session("other")
    form = fields(prompt="Look again", max_attempts="2", session=other.pk)
    admin_client.post(url(Job, "change", pending.pk), form)
    job = Job.objects.get()
    assert job.data == {"prompt": "Look again", "projectPath": pending.session.project_path}
    assert (job.max_attempts, job.session_id) == (2, pending.session_id)


def test_a_job_that_starts_while_it_is_edited_keeps_its_prompt(
    admin_client, pending, worker, monkeypatch
):
    edit = queue.edit

    def edit_late(job, **options):
        claim(worker)
        edit(job, **options)

    monkeypatch.setattr(queue, "edit", edit_late)
    response = admin_client.post(url(Job, "change", pending.pk), fields(prompt="Too late"))
    assert "This job is processing: only a pending one can be edited." in errors(response)
    assert Job.objects.get().prompt == "Look around"


LEFT = {
    "processing": "This prompt has started while you were editing it.",
    "failed": "This prompt has run, and failed, while you were editing it.",
    "cancelled": "This job was cancelled while you were editing it.",
}


def leave(job, worker, status):
    """Take a job that waits to another status."""
    if status == "cancelled":
        queue.cancel(job)
        return
    [attempt] = claim(worker)
    if status == "failed":
        end(attempt, Outcome.FAILED, "No.", permanent=True)


@pytest.mark.parametrize("status", LEFT)
def test_a_prompt_that_left_the_queue_while_it_was_edited_is_offered_as_a_new_one(
    admin_client, pending, worker, status
):
    sent = typed(admin_client, pending, prompt="Look <again>\nand again", model_name="opus")
    leave(pending, worker, status)
    page = admin_client.post(url(Job, "change", pending.pk), sent)
    assert page.status_code == 200
    [sentence] = said(page)
    assert sentence.startswith(LEFT[status])
    assert 'value="Queue as a new prompt"' in text(page)
    pending.refresh_from_db()
    assert (pending.prompt, pending.status) == ("Look around", status)
    assert f' action="{url(Job, "add")}"' in text(page)
    offered = {key: value for key, value in inputs(page).items() if not key.startswith("_")}
    admin_client.post(url(Job, "add"), {**offered, "_save": "Queue as a new prompt"})
    [anew] = Job.objects.exclude(pk=pending.pk)
    assert (anew.prompt, anew.session_id) == ("Look <again>\nand again", pending.session_id)
    assert anew.data["model"] == "opus"
    assert anew.data["allowedTools"] == ["Read"]


def test_who_may_not_add_jobs_is_shown_what_was_typed(pending, worker):
    editor = staff("jobs_app.view_job", "jobs_app.change_job", "jobs_app.run_job")
    sent = typed(editor, pending, prompt="Look again")
    claim(worker)
    page = editor.post(url(Job, "change", pending.pk), sent)
    assert said(page)[0].startswith(LEFT["processing"])
    assert "Look again</textarea>" in text(page)
    assert "Queue as a new prompt" not in text(page)


def test_a_job_that_was_deleted_while_it_was_edited_keeps_what_was_typed(admin_client, pending):
    sent = typed(admin_client, pending, prompt="Look again")
    queue.remove([pending])
    page = admin_client.post(url(Job, "change", pending.pk), sent)
    assert said(page)[0].startswith("This job was deleted while you were editing it.")
    assert inputs(page)["prompt"] == "Look again"


def test_the_second_of_two_who_edit_one_job_is_told(admin_client, pending):
    first = staff("jobs_app.view_job", "jobs_app.change_job", "jobs_app.run_job")
    address = url(Job, "change", pending.pk)
    second_sends = typed(admin_client, pending, prompt="The second's words")
    first_sends = typed(first, pending, prompt="The first's words")
    assert first.post(address, first_sends).status_code == 302
    page = admin_client.post(address, second_sends)
    assert re.search(r"staff1</bdi> changed this at \d\d:\d\d:\d\d UTC while you", errors(page))
    assert inputs(page)["prompt"] == "The second's words"
    assert Job.objects.get().prompt == "The first's words"
    assert admin_client.post(address, inputs(page)).status_code == 302
    assert Job.objects.get().prompt == "The second's words"


def test_a_change_without_a_log_entry_is_told_too(admin_client, pending):
    sent = typed(admin_client, pending, prompt="From the page")
    queue.edit(pending, prompt="From the shell")
    page = admin_client.post(url(Job, "change", pending.pk), sent)
    assert "Somebody changed this while you were editing it" in errors(page)
    assert Job.objects.get().prompt == "From the shell"


@pytest.mark.parametrize("version", ["nonsense", "1:2", "é\u0000"])
def test_a_forged_version_is_of_no_version(admin_client, pending, version):
    sent = typed(admin_client, pending, prompt="New", version=version)
    page = admin_client.post(url(Job, "change", pending.pk), sent)
    assert page.status_code == 200
    assert Job.objects.get().prompt == "Look around"


def test_what_a_worker_notes_on_a_job_is_no_change(admin_client, pending, worker):
    sent = typed(admin_client, pending, prompt="New")
    [attempt] = claim(worker)
    end(attempt, Outcome.INTERRUPTED)
    assert admin_client.post(url(Job, "change", pending.pk), sent).status_code == 302
    assert "version" not in LogEntry.objects.get().get_change_message()


def test_a_job_that_has_started_is_only_shown(admin_client, running):
    page = admin_client.get(url(Job, "change", running.pk))
    assert "Keep busy" in text(page)
    assert "<textarea" not in page.content.decode()
    admin_client.post(url(Job, "change", running.pk), fields(prompt="Changed"))
    running.refresh_from_db()
    assert running.prompt == "Keep busy"


def test_cancelling_many_says_how_many_and_why_not_the_others(
    admin_client, failed, running, pending
):
    response = act(admin_client, Job, "cancel_selected", [pending, running, failed])
    assert said(response) == ["2 cancelled, 1 skipped: already finished or stopping."]
    pending.refresh_from_db()
    assert pending.status == "cancelled"
    assert JobAttempt.objects.open().get().cancel_requested_at
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {pending.pk, running.pk}


def test_retrying_many_says_how_many_and_why_not_the_others(
    admin_client, failed, make_session, worker
):
    archived = ended(make_session("archived"), worker, "failed", "No.")
    pending = queue.enqueue(make_session("waiting"), "Wait")
    Session.objects.filter(pk=archived.session_id).update(state="inactive")
    response = act(admin_client, Job, "retry_selected", [pending, failed, archived])
    [sentence] = said(response)
    assert sentence.startswith("1 queued again, ")
    assert "1 skipped: neither failed nor cancelled" in sentence
    assert "1 skipped: This session is archived: make it active again first." in sentence
    failed.refresh_from_db()
    assert failed.status == "pending"


def test_a_running_job_is_not_deleted(admin_client, running, pending):
    one = admin_client.post(url(Job, "delete", running.pk), {"post": "yes"}, follow=True)
    many = confirm(admin_client, Job, [pending, running])
    sentence = "The job 'Keep busy' is running: cancel it first, then delete it."
    assert said(one) == said(many) == [sentence]
    assert Job.objects.count() == 2
    assert not LogEntry.objects.exists()


def test_deleting_jobs_takes_their_attempts_along_and_says_so(admin_client, failed, pending):
    page = act(admin_client, Job, "delete_selected", [failed, pending])
    assert "<li>jobs: 2</li>" in text(page).lower()
    assert "<li>attempts: 1</li>" in text(page).lower()
    assert said(confirm(admin_client, Job, [failed, pending])) == ["Successfully deleted 2 jobs."]
    assert not JobAttempt.objects.exists()


@pytest.mark.parametrize(("job", "button"), [("pending", "cancel"), ("failed", "retry")])
def test_a_button_on_the_page_acts_by_post_alone(admin_client, request, job, button):
    job = request.getfixturevalue(job)
    target = url(Job, button, job.pk)
    assert f'<form method="post" action="{target}"' in text(
        admin_client.get(url(Job, "change", job.pk))
    )
    assert admin_client.get(target).status_code == 405
    before = job.status
    response = admin_client.post(target, follow=True)
    assert said(response) == [{"cancel": "1 cancelled.", "retry": "1 queued again."}[button]]
    job.refresh_from_db()
    assert job.status != before


def test_the_filters_of_the_list_survive_what_is_done(admin_client, failed, running, pending):
    filters = "status__exact=failed&q=look"
    kept = f"_changelist_filters={quote_plus(filters)}"
    listed = f"{url(Job)}?{filters}"
    for job, button in ((failed, "retry"), (pending, "cancel"), (running, "cancel")):
        page = f"{url(Job, 'change', job.pk)}?{kept}"
        targets = re.findall(r'<form method="post" action="([^"]*)"', text(admin_client.get(page)))
        [target] = [target for target in targets if f"/{button}/" in target]
        assert target == f"{url(Job, button, job.pk)}?{kept}"
        assert admin_client.post(target).url == page
    refused = admin_client.post(f"{url(Job, 'delete', running.pk)}?{kept}", {"post": "yes"})
    assert refused.url == f"{url(Job, 'change', running.pk)}?{kept}"
    queue.retry(pending)
    change = f"{url(Job, 'change', pending.pk)}?{kept}"
    assert admin_client.post(change, fields(prompt="New")).url == listed
    offered = admin_client.post(f"{url(Job, 'change', running.pk)}?{kept}", fields(prompt="New"))
    assert f'action="{url(Job, "add")}?{kept}"' in text(offered)
    for action in ("cancel_selected", "retry_selected"):
        data = {"action": action, "_selected_action": [pending.pk]}
        assert admin_client.post(listed, data).url == listed


def test_only_what_is_possible_has_a_button(admin_client, session, worker):
    done = ended(session, worker, "succeeded")
    page = text(admin_client.get(url(Job, "change", done.pk)))
    assert url(Job, "cancel", done.pk) not in page
    assert url(Job, "retry", done.pk) not in page


def test_acting_on_a_job_that_is_gone_is_not_found(admin_client):
    assert admin_client.post(url(Job, "cancel", "gone")).status_code == 404


def test_a_jobs_page_shows_its_attempts_newest_first(admin_client, failed, worker):
    queue.retry(failed)
    [second] = claim(worker)
    page = text(admin_client.get(url(Job, "change", failed.pk)))
    first = JobAttempt.objects.get(job=failed, number=1)
    newer, older = (url(JobAttempt, "change", run.pk) for run in (second, first))
    assert 0 < page.index(newer) < page.index(older)
    assert "The agent is not logged in." in page


def test_many_attempts_are_one_link_away(admin_client, failed):
    [run] = JobAttempt.objects.all()
    for number in range(2, 15):
        run.pk, run.number = f"run-{number:02}", number
        run.save(force_insert=True)
    page = admin_client.get(url(Job, "change", failed.pk))
    assert text(page).count('<th scope="row">') == 10
    listed = admin_client.get(url(JobAttempt), {"job__id__exact": failed.pk})
    assert f"{url(JobAttempt)}?job__id__exact={failed.pk}" in text(page)
    assert len(listed.context["cl"].result_list) == 14


def test_the_list_takes_no_more_queries_for_more_jobs(admin_client, make_session, pending):
    def count():
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(url(Job))
        return len(queries)

    few = count()
    for number in range(20):
        queue.enqueue(make_session(f"session {number}"), "Look")
    assert count() == few <= 10


@pytest.mark.parametrize("words", ["Größe", "heron", "busy birds"])
def test_jobs_are_found_by_prompt_and_session(admin_client, session, make_session, words):
    wanted = queue.enqueue(make_session("busy birds"), "The heron's Größe")
    queue.enqueue(session, "The pelican")
    shown = admin_client.get(url(Job), {"q": words})
    assert [job.pk for job in shown.context["cl"].result_list] == [wanted.pk]
    assert "The heron's Größe" in text(shown)


def test_megabytes_of_prompt_do_not_swell_the_list(admin_client, session):
    queue.enqueue(session, 'Say "hello"\n' + "x" * 2_000_000)
    page = admin_client.get(url(Job))
    assert '>Say "hello"<' in text(page)
    assert len(page.content) < 100_000


@pytest.mark.parametrize("data", ['"text"', "[]", "not JSON", json.dumps({"model": 5})])
def test_a_job_that_was_spoilt_in_the_database_has_a_page(admin_client, pending, data):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE job_queue SET data = %s", [data])
    assert admin_client.get(url(Job)).status_code == 200
    assert admin_client.get(url(Job, "change", pending.pk)).status_code == 200
