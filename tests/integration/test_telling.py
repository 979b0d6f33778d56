"""Telling a running agent something, and interrupting it, from its session's page."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from jobs_app import leases
from jobs_app.leases import Record
from jobs_app.models import Job, JobAttempt, JobSteer
from jobs_app.outcomes import Outcome
from jobs_app.talk import Hearing, Telling
from tests.integration.admin_pages import staff, text
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

READING = ["sessions_app.view_session", "sessions_app.view_sessionmessage", "jobs_app.view_job"]
BY_SCRIPT = {"HTTP_X_REQUESTED_WITH": "fetch"}


@pytest.fixture
def person(db):
    return staff(*READING, "jobs_app.run_job")


@pytest.fixture
def page(session):
    return reverse("admin:sessions_app_session_change", args=[session.pk])


def tell(attempt):
    return reverse("admin:sessions_app_session_tell", args=[attempt.session_id, attempt.job_id])


def interrupt(attempt):
    arguments = [attempt.session_id, attempt.job_id, "interrupt"]
    return reverse("admin:sessions_app_session_job", args=arguments)


def test_a_word_is_told_and_shows_until_it_is_read(attempt, person, page):
    answer = person.post(tell(attempt), {"prompt": "Use tabs."})
    assert (answer.status_code, answer.url) == (302, f"{page}#prompt")
    shown = text(person.get(page))
    assert "Told, not read yet" in shown and "Use tabs." in shown
    told = JobSteer.objects.get()
    assert told.told_by == LogEntry.objects.get().user.get_username()
    leases.record([Record(attempt, Telling(told)), Record(attempt, Hearing(told))], [])
    shown = text(person.get(page))
    assert "Told, not read yet" not in shown and shown.count("Use tabs.") == 1


def test_a_word_that_nobody_read_says_that_it_is_a_prompt_of_its_own(attempt, person, page, worker):
    person.post(tell(attempt), {"prompt": "Too late."})
    end(attempt, Outcome.SUCCEEDED)
    assert "it is a prompt of its own now" in text(person.get(page))
    (own,) = claim(worker)
    assert own.job.prompt == "Too late."
    end(own, Outcome.SUCCEEDED)
    assert "it is a prompt of its own now" not in text(person.get(page))


def test_a_word_that_a_stopped_agent_had_not_read_is_shown_until_there_is_a_newer_prompt(
    attempt, session, person, page
):
    person.post(tell(attempt), {"prompt": "Too late."})
    end(attempt, Outcome.CANCELLED)
    own = Job.objects.get(pk=JobSteer.objects.get().own_job_id)
    shown = person.get(page).content.decode()
    assert "Not read, because the job was stopped" in shown and "Too late." in shown
    assert reverse("admin:jobs_app_job_change", args=[own.pk]) in shown
    Job.objects.enqueue(session, "Something else")
    assert "Not read, because the job was stopped" not in text(person.get(page))


def test_a_word_after_the_end_is_a_prompt_of_its_own_and_says_so(attempt, person, page):
    end(attempt, Outcome.SUCCEEDED)
    assert person.post(tell(attempt), {"prompt": "Too late."}, **BY_SCRIPT).status_code == 204
    assert "it is a prompt of its own now" in text(person.get(page))
    own = Job.objects.pending().get()
    assert own.prompt == "Too late."
    assert f"Queued the job {own.pk}." in str(LogEntry.objects.get())


def test_an_empty_word_is_refused_with_the_reason(attempt, person):
    assert "The prompt is empty" in text(person.post(tell(attempt), {"prompt": " "}, **BY_SCRIPT))
    assert not JobSteer.objects.exists()


def test_an_interrupt_is_asked_for_once_and_logged(attempt, person, page):
    shown = text(person.get(page))
    assert interrupt(attempt) in shown and tell(attempt) in shown
    assert person.post(interrupt(attempt), **BY_SCRIPT).status_code == 204
    first = JobAttempt.objects.get().interrupt_requested_at
    assert first is not None
    shown = text(person.get(page))
    assert "Interrupting…" in shown and interrupt(attempt) not in shown
    answer = person.post(interrupt(attempt), follow=True)
    assert "or is interrupted already" in text(answer)
    assert JobAttempt.objects.get().interrupt_requested_at == first
    assert [str(entry) for entry in LogEntry.objects.all()].count("Interrupted.") <= 1
    assert LogEntry.objects.filter(change_message__contains="Interrupted.").count() == 1


def test_both_need_the_permission_to_run_jobs(attempt, page):
    reader = staff(*READING)
    shown = text(reader.get(page))
    assert interrupt(attempt) not in shown and tell(attempt) not in shown
    assert reader.post(interrupt(attempt)).status_code == 403
    assert reader.post(tell(attempt), {"prompt": "Obey me."}).status_code == 403
    assert not JobSteer.objects.exists()


def test_what_is_told_is_not_for_who_may_not_read_messages(attempt, person, page):
    person.post(tell(attempt), {"prompt": "A secret."})
    assert "A secret." not in text(staff("sessions_app.view_session").get(page))


def test_a_job_of_another_session_is_not_found(attempt, person, make_session):
    other = make_session("other")
    path = reverse("admin:sessions_app_session_tell", args=[other.pk, attempt.job_id])
    assert person.post(path, {"prompt": "Use tabs."}).status_code == 404


def test_a_prompt_is_queued_without_another_page_where_the_page_asks_so(session, person):
    path = reverse("admin:sessions_app_session_prompt", args=[session.pk])
    assert person.post(path, {"prompt": "Do it."}, **BY_SCRIPT).status_code == 204
    assert Job.objects.get().prompt == "Do it."
