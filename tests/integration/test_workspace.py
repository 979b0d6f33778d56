"""A session's page: reading it, queueing a prompt, stopping and retrying jobs, without scripts."""

import json
import re
from html import unescape
from urllib.parse import quote_plus

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from jobs_app import queue
from jobs_app.models import Job, JobStatus
from jobs_app.outcomes import Outcome
from sessions_app import transcript
from sessions_app.models import Session
from sessions_app.providers import events
from sessions_app.transcript import NewMessage
from tests.integration.admin_pages import staff
from tests.leasing import claim, end

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(session):
    return reverse("admin:sessions_app_session_change", args=[session.pk])


@pytest.fixture
def prompt(session):
    return reverse("admin:sessions_app_session_prompt", args=[session.pk])


@pytest.fixture
def reader(client, django_user_model):
    """Somebody who may see sessions and jobs but run nothing."""
    user = django_user_model.objects.create_user("reader", is_staff=True)
    allowed = Permission.objects.filter(
        codename__in=["view_session", "view_job"],
        content_type__app_label__in=["sessions_app", "jobs_app"],
    )
    user.user_permissions.set(allowed)
    client.force_login(user)
    return client


def verb(job, name):
    return reverse("admin:sessions_app_session_job", args=[job.session_id, job.pk, name])


def text(response):
    assert response.status_code == 200
    return response.content.decode()


def append(session, *texts):
    lines = [events.prompt(text, "") for text in texts]
    messages = [NewMessage(session.pk, session.provider, "user", line.raw) for line in lines]
    return transcript.append(messages)


def failed(session, worker, title="Break it."):
    job = Job.objects.enqueue(session, title, max_attempts=1)
    (attempt,) = claim(worker)
    end(attempt, Outcome.FAILED, "There is no such model.", permanent=True)
    return job


def test_texts_that_take_minutes_do_not_hold_the_page_up(admin_client, session, page):
    answers = [f"```c\n{chr(10) * (18_000 + number)}x\n```" for number in range(20)]
    lines = [
        {"type": "assistant", "message": {"content": [{"type": "text", "text": answer}]}}
        for answer in ("*First.*", *answers, "*Last.*")
    ]
    raw = [json.dumps(line) for line in lines]
    rows = [NewMessage(session.pk, session.provider, "assistant", line) for line in raw]
    transcript.append(rows)
    shown = text(admin_client.get(page))
    assert "<em>First.</em>" in shown
    assert shown.count("<pre>```c") == 20
    assert "<pre>*Last.*" in shown, "the page's time was not over"


def test_the_page_shows_the_conversation_and_what_the_session_is(admin_client, session, page):
    append(session, "Explain this project.")
    shown = text(admin_client.get(page))
    for part in ("Explain this project.", session.name, session.project_path, "Claude Code"):
        assert part in shown


def test_opening_the_page_is_an_access(admin_client, session, page):
    before = timezone.now()
    admin_client.get(page)
    session.refresh_from_db()
    assert session.last_accessed_at >= before


def test_earlier_messages_are_one_link_away(admin_client, session, page):
    rows = append(session, *(f"prompt {number}." for number in range(101)))
    last = text(admin_client.get(page))
    assert "prompt 0." not in last and f"?before={rows[1].pk}" in last
    first = text(admin_client.get(f"{page}?before={rows[1].pk}"))
    assert "prompt 0." in first and "prompt 1." not in first
    assert "Back to the latest" in first


def test_a_hostile_cursor_is_no_error(admin_client, page):
    assert admin_client.get(f"{page}?before=%00'").status_code == 200


def test_a_prompt_is_queued_and_shows_in_the_queue(admin_client, session, page, prompt):
    data = {"prompt": "Look\r\naround.", "model_name": "opus"}
    data["allowed_tools"] = "Read\r\nBash(ls:*)\r\n"
    shown = text(admin_client.post(prompt, data, follow=True))
    job = Job.objects.get(session=session)
    assert job.data["prompt"] == "Look\naround."
    assert (job.data["model"], job.data["allowedTools"]) == ("opus", ["Read", "Bash(ls:*)"])
    assert "Look" in shown and "No worker is running" in shown
    assert job.pk in LogEntry.objects.get().change_message


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"prompt": "   "}, "The prompt is empty"),
        ({"prompt": "Keep this text.", "model_name": "--evil"}, "is not a model name"),
        ({"prompt": "Keep this text.", "allowed_tools": "X,Bash"}, "is not a tool"),
    ],
    ids=["empty", "model", "tool"],
)
def test_a_mistake_is_explained_above_the_box_and_the_text_stays(
    admin_client, session, prompt, data, sentence
):
    shown = text(admin_client.post(prompt, {"model_name": "", "allowed_tools": "", **data}))
    assert shown.index(sentence) < shown.index("<textarea")
    assert data["prompt"] in shown
    assert not Job.objects.exists()


def test_what_the_queue_refuses_is_said_above_the_box_and_the_text_stays(
    admin_client, prompt, monkeypatch
):
    def refuse(*args, **options):
        raise ValidationError("This session no longer exists.")

    monkeypatch.setattr(queue, "enqueue", refuse)
    shown = text(admin_client.post(prompt, {"prompt": "Keep this text."}))
    assert shown.index("This session no longer exists.") < shown.index("<textarea")
    assert "Keep this text." in shown


def test_no_two_fields_of_the_page_have_the_same_id(admin_client, page):
    ids = re.findall(r'<(?:input|textarea|select)[^>]* id="([^"]+)"', text(admin_client.get(page)))
    assert "next_prompt" in ids
    assert len(ids) == len(set(ids))


def test_an_archived_session_takes_no_prompt_and_says_so(admin_client, session, page, prompt):
    Session.objects.update(state="inactive")
    assert "accepts no prompts" in text(admin_client.get(page))
    assert "<textarea" not in text(admin_client.get(page)).partition('class="edit-session"')[0]
    shown = text(admin_client.post(prompt, {"prompt": "Keep this text."}))
    assert "accepts no prompts" in shown
    assert shown.index("make it active again first.") < shown.index("Keep this text.</textarea>")
    assert not Job.objects.exists()


def test_a_running_job_can_be_stopped(admin_client, session, page, worker):
    job = Job.objects.enqueue(session, "Work long.")
    (attempt,) = claim(worker)
    shown = text(admin_client.get(page))
    assert "Work long." in shown and verb(job, "cancel") in shown
    assert "Stopping the job." in text(admin_client.post(verb(job, "cancel"), follow=True))
    attempt.refresh_from_db()
    assert attempt.cancel_requested_at


def test_a_waiting_job_can_be_edited_and_cancelled(admin_client, session, page):
    job = Job.objects.enqueue(session, "Later.")
    assert reverse("admin:jobs_app_job_change", args=[job.pk]) in text(admin_client.get(page))
    assert "The job is cancelled." in text(admin_client.post(verb(job, "cancel"), follow=True))
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_a_failed_job_shows_why_and_can_be_retried(admin_client, session, page, worker):
    job = failed(session, worker)
    assert "There is no such model." in text(admin_client.get(page))
    admin_client.post(verb(job, "retry"))
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    [entry] = LogEntry.objects.all()
    assert (entry.object_id, entry.change_message) == (job.pk, "Queued again.")


def test_a_refused_retry_says_why(admin_client, session, worker):
    job = failed(session, worker)
    Session.objects.update(state="inactive")
    shown = text(admin_client.post(verb(job, "retry"), follow=True))
    assert "This session is archived: make it active again first." in shown
    assert not LogEntry.objects.exists()


def test_a_verb_that_comes_too_late_says_so(admin_client, session, worker):
    job = failed(session, worker)
    assert "already ended" in text(admin_client.post(verb(job, "cancel"), follow=True))


def test_a_job_of_another_session_is_not_found(admin_client, session, make_session):
    job = Job.objects.enqueue(make_session("other"), "Go.")
    address = reverse("admin:sessions_app_session_job", args=[session.pk, job.pk, "cancel"])
    assert admin_client.post(address).status_code == 404


@pytest.mark.parametrize("readable", ["nothing", "messages", "prompts"])
def test_to_see_a_session_is_not_yet_to_read_it(session, page, worker, readable):
    append(session, "A told secret.")
    failed = Job.objects.enqueue(session, "A failed secret.")
    Job.objects.filter(pk=failed.pk).update(status="failed", error="An error secret.")
    Job.objects.enqueue(session, "A running secret.")
    claim(worker)
    Job.objects.enqueue(session, "A queued secret.")
    more = {"messages": ["sessions_app.view_sessionmessage"], "prompts": ["jobs_app.view_job"]}
    shown = text(staff("sessions_app.view_session", *more.get(readable, [])).get(page))
    assert ("A told secret." in shown) is (readable == "messages")
    for prompt in ("A failed secret.", "An error", "Running", "A queued secret.", "All jobs"):
        assert (prompt in shown) is (readable == "prompts"), prompt
    needs_messages = "reading its messages needs the permission “can view message”."
    assert (needs_messages in shown) is (readable != "messages")
    needs_jobs = "Seeing this session’s prompts needs the permission “can view job”."
    assert (needs_jobs in shown) is (readable != "prompts")


def test_who_may_only_read_sees_no_buttons_and_runs_nothing(reader, session, page, prompt, worker):
    job = failed(session, worker)
    Job.objects.enqueue(session, "Wait.")
    shown = text(reader.get(page))
    assert "formaction" not in shown and "<textarea" not in shown
    assert reader.post(prompt, {"prompt": "Go."}).status_code == 403
    assert reader.post(verb(job, "retry")).status_code == 403
    assert Job.objects.count() == 2


def test_who_may_not_see_sessions_may_not_run_them_either(client, django_user_model, prompt):
    user = django_user_model.objects.create_user("runner", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="run_job"))
    client.force_login(user)
    assert client.post(prompt, {"prompt": "Go."}).status_code == 403
    assert not Job.objects.exists()


def test_acts_are_posts(admin_client, session, prompt):
    job = Job.objects.enqueue(session, "Go.")
    assert admin_client.get(prompt).status_code == 405
    assert admin_client.get(verb(job, "cancel")).status_code == 405


def test_the_session_can_be_edited_on_its_page(admin_client, session, page):
    data = {"name": "Renamed", "state": "active", "context": "", "allowed_tools": ""}
    shown = text(admin_client.post(page, data, follow=True))
    session.refresh_from_db()
    assert session.name == "Renamed"
    assert "Renamed" in shown


def test_a_mistake_in_the_edit_form_opens_it(admin_client, session, page):
    shown = text(admin_client.post(page, {"name": "", "state": "active"}))
    assert 'id="edit" open' in shown


def test_a_session_that_is_gone_is_no_error(admin_client, session, page):
    Session.objects.all().delete()
    assert "doesn’t exist" in text(admin_client.get(page, follow=True))


def test_codex_is_not_offered_a_list_of_tools(admin_client, make_session):
    session = make_session("codex", provider="codex-cli")
    page = reverse("admin:sessions_app_session_change", args=[session.pk])
    shown = text(admin_client.get(page))
    assert 'name="model_name"' in shown
    composer = shown[shown.index('id="prompt"') : shown.index('id="edit"')]
    assert "allowed_tools" not in composer


def test_the_page_costs_as_many_queries_for_many_messages_as_for_few(
    admin_client, session, page, django_assert_max_num_queries
):
    append(session, *(f"prompt {number}." for number in range(100)))
    with django_assert_max_num_queries(20):
        admin_client.get(page)


def test_the_filters_of_the_list_survive_what_is_done_on_a_sessions_page(
    admin_client, session, make_session, worker
):
    filters = "state=all&provider__exact=claude-code&q=<b>"
    kept = f"_changelist_filters={quote_plus(filters)}"
    page = reverse("admin:sessions_app_session_change", args=[session.pk])
    shown = admin_client.get(f"{page}?{kept}").content.decode()
    for form in ("job-verbs", "prompt"):
        [start] = re.findall(rf'<form id="{form}".*?</form>', shown, re.DOTALL)
        [sent] = re.findall(r'name="_changelist_filters" value="([^"]*)"', start)
        assert unescape(sent) == filters
    data = {"_changelist_filters": filters, "prompt": "Go."}
    prompt = reverse("admin:sessions_app_session_prompt", args=[session.pk])
    move = reverse("admin:sessions_app_session_move", args=[session.pk])
    assert admin_client.post(prompt, data).url == f"{page}?{kept}#prompt"
    job = Job.objects.get()
    for act in (verb(job, "cancel"), verb(job, "retry"), move):
        assert admin_client.post(act, data).url == f"{page}?{kept}"
        assert admin_client.post(f"{act}?{kept}").url == f"{page}?{kept}"
    mistake = text(admin_client.post(prompt, data | {"prompt": ""}))
    assert f'action="{page}?{kept}"' in unescape(mistake)
    assert mistake.count('name="_changelist_filters"') == 2
    assert 'name="_changelist_filters"' not in text(admin_client.get(page))
