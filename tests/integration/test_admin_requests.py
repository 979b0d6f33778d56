"""Requests, words to running agents, drafts and options as rows of the admin."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs_app import answers, queue
from jobs_app.models import Closed, JobDraft, JobOptions, JobRequest, JobSteer, SessionOptions
from tests.asked import ask, bash, close, plan
from tests.integration.admin_pages import act, said, staff, text, url, words

READ = ["jobs_app.view_jobrequest", "sessions_app.view_sessionmessage"]
ANSWER = ["jobs_app.view_jobrequest", "jobs_app.answer_request"]


def test_a_request_is_listed_with_what_it_asks_and_what_became_of_it(admin_client, attempt):
    answers.allow(ask(attempt, bash("make one")), by="anna")
    close(ask(attempt, bash("make two")), Closed.WITHDRAWN)
    ask(attempt, plan("# Three"))
    shown = words(admin_client.get(url(JobRequest)))
    for told in ("make one", "allowed this once", "anna", "make two", "withdrawn by the agent"):
        assert told in shown
    assert "waits for an answer" in shown
    listed = admin_client.get(url(JobRequest), {"open": "yes"})
    assert [row.kind for row in listed.context["cl"].result_list] == ["plan"]
    listed = admin_client.get(url(JobRequest), {"open": "no"})
    assert len(listed.context["cl"].result_list) == 2


def test_a_request_leads_to_the_page_that_shows_it_whole_and_takes_the_answer(
    admin_client, attempt
):
    request = ask(attempt, bash("make all"))
    page = admin_client.get(url(JobRequest, "change", request.pk))
    where = f"/requests/{request.pk}/"
    assert where in text(page)
    assert "make all" in text(page)
    [link] = [part for part in text(page).split('"') if part.endswith(where)]
    assert "Allow once" in text(admin_client.get(link))


def test_a_denial_shows_its_words(admin_client, attempt):
    request = ask(attempt, bash())
    answers.deny(request, why="Not on a Friday.", by="anna")
    assert "Not on a Friday." in text(admin_client.get(url(JobRequest, "change", request.pk)))


@pytest.mark.parametrize(("permissions", "may"), [(READ, False), (ANSWER, True)])
def test_many_are_denied_at_once_by_those_who_may_answer(attempt, permissions, may):
    rows = [ask(attempt, bash(name)) for name in ("one", "two")]
    answers.allow(rows[0], by="anna")
    response = act(staff(*permissions), JobRequest, "deny_selected", rows)
    decisions = [row.given["decision"] for row in JobRequest.objects.exclude(answer=None)]
    assert decisions == (["allow", "deny"] if may else ["allow"])
    if may:
        assert said(response) == ["1 denied, 1 skipped: answered or closed already."]
        assert LogEntry.objects.get().object_id == rows[1].pk
        assert JobRequest.objects.get(pk=rows[1].pk).answered_by == "staff0"


def test_nothing_is_answered_or_changed_by_posting_to_the_row(admin_client, attempt):
    request = ask(attempt, bash())
    form = {"answer": '{"decision": "allow"}', "answered_by": "me", "post": "yes"}
    for page in ("change", "delete"):
        assert admin_client.post(url(JobRequest, page, request.pk), form).status_code == 403
    assert admin_client.post(url(JobRequest, "add"), form).status_code == 403
    assert JobRequest.objects.get().is_open


def test_a_list_reads_no_megabytes(admin_client, attempt):
    ask(attempt, bash("x" * 3_000_000))
    with CaptureQueriesContext(connection) as captured:
        shown = text(admin_client.get(url(JobRequest)))
    assert "Bash: 3,000," in shown
    assert not [q for q in captured.captured_queries if '"content_data",' in q["sql"]]


def test_words_to_running_agents_tell_how_far_they_came(admin_client, attempt):
    attempt.job.steer("Use tabs.")
    page = url(JobSteer, "change", JobSteer.objects.get().pk)
    for shown in (admin_client.get(url(JobSteer)), admin_client.get(page)):
        assert "Use tabs." in text(shown)
        assert "not sent yet" in text(shown)


def test_a_draft_is_shown_while_there_is_one(admin_client, attempt, session):
    JobDraft.objects.create(attempt=attempt, session=session, text="So far I")
    assert "So far I" in text(admin_client.get(url(JobDraft)))
    assert "So far I" in text(admin_client.get(url(JobDraft, "change", attempt.pk)))


def test_options_are_listed_with_whose_they_are(admin_client, session):
    SessionOptions.objects.keep(session, approvals="deny", model="opus")
    queue.enqueue(session, "Do it", approvals="ask")
    assert "opus" in text(admin_client.get(url(SessionOptions)))
    assert "refuse it" in text(admin_client.get(url(SessionOptions)))
    row = JobOptions.objects.get()
    assert "ask a person" in text(admin_client.get(url(JobOptions, "change", row.pk)))
