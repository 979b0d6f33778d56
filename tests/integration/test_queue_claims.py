"""Claims: order, one run a session, and no double run under contention."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs_app import claiming, leases
from jobs_app.claiming import Facts
from jobs_app.models import Job, JobAttempt, JobStatus
from jobs_app.outcomes import Outcome
from jobs_app.trusts import trust
from jobs_app.worker.upkeep import new_worker
from sessions_app import transcript
from sessions_app.transcript import NewMessage
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def test_the_oldest_job_is_claimed_first(make_session, worker):
    jobs = [Job.objects.enqueue(make_session(name), name) for name in ("a", "b", "c")]
    claimed = [claim(worker)[0].job_id for _ in jobs]
    assert claimed == [job.pk for job in jobs]


def test_a_claim_marks_job_and_session_as_working(session, worker):
    job = Job.objects.enqueue(session, "Do it")
    (attempt,) = claim(worker)
    job.refresh_from_db()
    session.refresh_from_db()
    assert (job.status, job.attempts) == (JobStatus.PROCESSING, 1)
    assert job.started_at is not None
    assert (attempt.number, attempt.worker_id, attempt.host) == (1, worker.pk, worker.host)
    assert session.is_working
    assert (session.current_job_id, session.last_job_status) == (job.pk, "processing")


@pytest.mark.parametrize("is_in_vain", [False, True])
def test_only_a_claim_does_not_wait_for_the_disk(session, worker, monkeypatch, is_in_vain):
    Job.objects.enqueue(session, "Do it")
    if is_in_vain:
        monkeypatch.setattr(leases, "_note_hosts", fails)
    with CaptureQueriesContext(connection) as captured:
        attempts = claim(worker)
    assert bool(attempts) is not is_in_vain
    statements = "".join(query["sql"] for query in captured.captured_queries)
    assert is_in_vain or NOT_WAITING[connection.vendor] in statements
    with connection.cursor() as cursor:
        cursor.execute(WAITS[connection.vendor])
        assert cursor.fetchone()[0] in (SQLITE_FULL, "on")


def fails(*arguments):
    raise IntegrityError


NOT_WAITING = {"sqlite": "synchronous = NORMAL", "postgresql": "'synchronous_commit', 'off'"}
WAITS = {"sqlite": "PRAGMA synchronous", "postgresql": "SHOW synchronous_commit"}
SQLITE_FULL = 2


def test_two_prompts_of_a_session_run_one_after_the_other(session, worker):
    first, second = (Job.objects.enqueue(session, text) for text in ("one", "two"))
    (attempt,) = claim(worker, limit=10)
    assert attempt.job_id == first.pk
    assert claim(worker, limit=10) == []
    end(attempt, Outcome.SUCCEEDED)
    assert [run.job_id for run in claim(worker, limit=10)] == [second.pk]


def test_a_later_prompt_waits_while_an_earlier_one_backs_off(session, worker):
    Job.objects.enqueue(session, "one")
    Job.objects.enqueue(session, "two")
    end(claim(worker)[0], Outcome.FAILED, "Broken.")
    assert claim(worker, limit=10) == []


def test_a_job_waits_for_its_time(session, worker):
    job = Job.objects.enqueue(session, "one")
    Job.objects.filter(pk=job.pk).update(next_retry_at=timezone.now() + timedelta(hours=1))
    assert claim(worker) == []
    Job.objects.filter(pk=job.pk).update(next_retry_at=timezone.now() - timedelta(seconds=1))
    assert len(claim(worker)) == 1


def test_an_older_job_that_is_retried_does_not_run_beside_a_newer_one(session, worker):
    older = Job.objects.enqueue(session, "older")
    newer = Job.objects.enqueue(session, "newer")
    end(claim(worker)[0], Outcome.FAILED, "No.", permanent=True)
    (attempt,) = claim(worker)
    assert attempt.job_id == newer.pk
    older.retry()
    assert claim(worker) == []
    end(attempt, Outcome.SUCCEEDED)
    assert claim(worker)[0].job_id == older.pk


def test_the_database_itself_refuses_a_second_open_run_of_a_session(session, worker):
    job = Job.objects.enqueue(session, "one")
    claim(worker)
    with pytest.raises(IntegrityError):
        JobAttempt.objects.create(
            job=job, session=session, number=2, worker_id=worker.pk, host=worker.host
        )


def test_a_session_that_another_claim_took_at_once_is_left_alone(session, worker, monkeypatch):
    Job.objects.enqueue(session, "one")
    (attempt,) = claim(worker)
    second = Job.objects.enqueue(session, "two")
    facts = claiming.Facts(0, None, is_trusted=False, has_host=True, previous_usage=None)
    monkeypatch.setattr(claiming, "runnable", lambda *arguments: [(second, facts)])
    assert claim(worker) == []
    assert list(JobAttempt.objects.open()) == [attempt]


def say(session, kind: str, conversation: str) -> None:
    row = NewMessage(session.pk, session.provider, kind, "{}", provider_session_id=conversation)
    transcript.append([row])


def test_a_conversation_is_resumed_only_where_the_agent_has_answered_in_it(session, worker):
    for kind in ("system", "error"):
        say(session, kind, "never")
    Job.objects.enqueue(session, "one")
    (claimed,) = leases.claim(worker)
    assert claimed.facts == Facts(0, None, False, False, None)
    say(session, "assistant", "first")
    say(session, "system", "never")
    left = {"provider_session_id": "first", "raw_usage": {"in": 7}}
    end(claimed.attempt, Outcome.SUCCEEDED, **left)
    trust([session.project_path], by="test")
    Job.objects.enqueue(session, "two")
    (claimed,) = leases.claim(worker)
    assert claimed.facts == Facts(0, "first", True, True, {"in": 7})
    end(claimed.attempt, Outcome.SUCCEEDED)
    say(session, "result", "second")
    Job.objects.enqueue(session, "three")
    (claimed,) = leases.claim(worker)
    assert claimed.facts == Facts(0, "second", True, True, None)


def test_what_was_claimed_is_whole_and_asks_the_database_for_nothing(session, worker):
    job = Job.objects.enqueue(session, "one")
    (claimed,) = leases.claim(worker)
    with CaptureQueriesContext(connection) as captured:
        assert (claimed.attempt.job.title, claimed.attempt.job.created_at) == (
            "one",
            job.created_at,
        )
        assert claimed.attempt.session.name == session.name
        assert claimed.attempt.session.token_count == 0
    assert captured.captured_queries == []


def test_workers_that_claim_at_once_share_the_jobs_without_doubles(make_session):
    sessions = [make_session(f"s{number}") for number in range(10)]
    jobs = [Job.objects.enqueue(session, "go") for session in sessions for _ in range(4)]
    claimed: Counter[str] = Counter()
    overlaps: list[str] = []
    active: set[str] = set()
    lock = threading.Lock()

    def work() -> None:
        row = new_worker("test", concurrency=1)
        row.save()
        try:
            while Job.objects.unfinished().exists():
                for attempt in claim(row, limit=2):
                    with lock:
                        claimed[attempt.job_id] += 1
                        overlaps.extend([attempt.session_id] * (attempt.session_id in active))
                        active.add(attempt.session_id)
                    with lock:
                        active.discard(attempt.session_id)
                    assert end(attempt, Outcome.SUCCEEDED)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert claimed == Counter({job.pk: 1 for job in jobs})
    assert overlaps == []
    assert Job.objects.filter(status=JobStatus.COMPLETED).count() == len(jobs)
