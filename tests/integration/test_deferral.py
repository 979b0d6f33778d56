"""A job at a usage limit: it starts when that ends, and shows until when it waits."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from jobs_app import queue
from jobs_app.models import Job, Worker
from jobs_app.outcomes import Outcome
from jobs_app.worker.looking import look
from jobs_app.worker.upkeep import new_worker
from sessions_app.models import Session
from tests.integration.admin_pages import url, words
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

FIVE_PAST_TWO = datetime(2031, 5, 6, 14, 5, tzinfo=UTC)
LIMIT = "Claude Code has reached a usage limit."


@pytest.fixture
def clock(monkeypatch):
    """Sets the time that the queue goes by."""

    def set_to(moment):
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return set_to


def deferred(session, worker, until) -> Job:
    job = Job.objects.enqueue(session, "Go on")
    end(claim(worker)[0], Outcome.RATE_LIMITED, LIMIT, until=until)
    return job


@pytest.mark.parametrize("restarts", [False, True])
def test_it_starts_at_its_time_after_a_restart_too(session, worker, clock, restarts):
    clock(FIVE_PAST_TWO - timedelta(hours=1))
    job = deferred(session, worker, FIVE_PAST_TWO)
    if restarts:
        Worker.objects.all().delete()
        worker = new_worker("test", concurrency=4)
        worker.save()
    clock(FIVE_PAST_TWO - timedelta(milliseconds=250))
    early = look(worker, free=4)
    assert (early.claims, early.seconds_to_next) == ([], 0.25)
    assert not early.queue_is_empty
    clock(FIVE_PAST_TWO)
    [claimed] = look(worker, free=4).claims
    assert (claimed.attempt.job_id, claimed.attempt.job.attempts) == (job.pk, 1)


def test_the_status_tells_until_when_it_waits(session, worker, capsys):
    job = deferred(session, worker, FIVE_PAST_TWO)
    call_command("queue_status", "--json")
    [waiting] = json.loads(capsys.readouterr().out)["waiting"]
    assert (waiting["job"], waiting["until"]) == (job.pk, "2031-05-06T14:05:00+00:00")
    assert waiting["error"] == LIMIT
    call_command("queue_status")
    assert f"until 2031-05-06 14:05:00 UTC  {LIMIT}" in capsys.readouterr().out


def test_the_status_counts_the_waiting_jobs_that_it_does_not_list(make_session, worker, capsys):
    for number in range(23):
        deferred(make_session(str(number)), worker, FIVE_PAST_TWO + timedelta(minutes=number))
    call_command("queue_status", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (len(found["waiting"]), found["waiting_in_all"]) == (20, 23)
    call_command("queue_status")
    assert "waiting  3 more, until later" in capsys.readouterr().out


@pytest.mark.parametrize("page", ["list", "job", "session"])
def test_the_pages_tell_until_when_it_waits(admin_client, session, worker, page):
    job = deferred(session, worker, FIVE_PAST_TWO)
    addresses = {
        "list": url(Job),
        "job": url(Job, "change", job.pk),
        "session": url(Session, "change", session.pk),
    }
    shown = words(admin_client.get(addresses[page]))
    assert "2031-05-06 14:05:00" in shown
    assert LIMIT in shown


def told(session) -> list[str]:
    """What PokéCode says in the transcript of attempts that went wrong."""
    errors = session.messages.filter(type="error").in_order()
    return [json.loads(message.content_data)["message"] for message in errors]


def limited_again(worker, clock, until=None) -> float:
    """Claim the waiting job when its time has come and end it at the limit: its minutes to wait."""
    job = Job.objects.get()
    begun = max(job.next_retry_at or timezone.now(), timezone.now())
    clock(begun)
    (attempt,) = claim(worker)
    assert end(attempt, Outcome.RATE_LIMITED, LIMIT, until=until)
    waits = Job.objects.get().next_retry_at
    assert waits is not None
    return (waits - begun).total_seconds() / 60


def test_where_no_time_is_told_it_waits_longer_each_time_and_says_so_once(session, worker, clock):
    clock(FIVE_PAST_TWO)
    Job.objects.enqueue(session, "Go on")
    waits = [limited_again(worker, clock) for _ in range(7)]
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    (said,) = told(session)
    assert said.startswith(LIMIT)
    assert "tried again in 5 minutes" in said
    assert Job.objects.get().attempts == 0


def test_after_any_other_end_the_waits_begin_anew(session, worker, clock):
    clock(FIVE_PAST_TWO)
    Job.objects.enqueue(session, "Go on")
    assert [limited_again(worker, clock), limited_again(worker, clock)] == [5, 10]
    clock(Job.objects.get().next_retry_at)
    end(claim(worker)[0], Outcome.INTERRUPTED, "Stopped.")
    assert limited_again(worker, clock) == 5
    assert len(told(session)) == 2


def test_a_time_that_is_told_is_kept_to_also_after_waits_without_one(session, worker, clock):
    clock(FIVE_PAST_TWO)
    Job.objects.enqueue(session, "Go on")
    assert limited_again(worker, clock) == 5
    until = FIVE_PAST_TWO + timedelta(days=3)
    limited_again(worker, clock, until=until)
    assert Job.objects.get().next_retry_at == until
    assert len(told(session)) == 2  # a wait of days is told, whatever was told before it


def test_an_agent_that_tells_of_a_second_each_time_is_asked_less_and_less(session, worker, clock):
    clock(FIVE_PAST_TWO)
    Job.objects.enqueue(session, "Go on")
    for _ in range(9):
        begun = max(Job.objects.get().next_retry_at or timezone.now(), timezone.now())
        wait = limited_again(worker, clock, until=begun + timedelta(seconds=1))
    assert wait > 4
    assert len(told(session)) == 1


def test_a_cancelled_job_is_not_said_to_be_tried_again(session, worker):
    Job.objects.enqueue(session, "Go on")
    (attempt,) = claim(worker)
    queue.cancel(attempt.job)
    end(attempt, Outcome.RATE_LIMITED, LIMIT)
    assert Job.objects.get().status == "cancelled"
    assert told(session) == [LIMIT]
