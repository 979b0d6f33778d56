"""A job at a usage limit: it starts when that ends, and shows until when it waits."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

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
