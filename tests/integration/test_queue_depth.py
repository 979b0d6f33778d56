"""Long queues and long histories: what is found in them, and that their length costs nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs_app import claiming, queue
from jobs_app.models import Job, JobAttempt, JobStatus
from jobs_app.worker import looking, sweeps
from sessions_app.ids import new_id
from tests.leasing import claim

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

VISITED = """
SELECT SUM(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables
"""


MANY = """
INSERT INTO job_queue (id, session_id, prompt_id, data, created_at)
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < %s)
SELECT %s || CAST(100000 + n AS text), %s, 'prompt', %s, %s FROM number
"""


def enqueue_many(session, count: int) -> None:
    data = json.dumps({"prompt": "Do it", "projectPath": session.project_path})
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(MANY, [count, new_id(), session.pk, data, now])


@contextmanager
def work_counted() -> Iterator[Callable[[], int]]:
    """What the database does in the block: steps of SQLite's machine, or rows that are read."""
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            # To read a small table whole would be quick: what counts here is a large one.
            cursor.execute("SET LOCAL enable_seqscan = off")
            before = cursor.execute(VISITED).fetchone()[0]
            yield lambda: cursor.execute(VISITED).fetchone()[0] - before
    else:
        steps: list[None] = []
        connection.connection.set_progress_handler(lambda: steps.append(None), 1)
        try:
            yield lambda: len(steps)
        finally:
            connection.connection.set_progress_handler(None, 1)


def cost(work: Callable[[], object]) -> int:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    with work_counted() as count:
        work()
        return count()


def cost_of_a_claim(worker, sessions, depth: int) -> int:
    """With so many more prompts behind the running one of each session."""
    for session in sessions:
        enqueue_many(session, depth)
    return cost(lambda: claim(worker, limit=4))


def run_many(session, worker, count: int) -> None:
    """So many prompts that this worker has run to their end."""
    now = timezone.now()
    data = {"prompt": "Do it", "projectPath": session.project_path}
    ended = {"status": JobStatus.COMPLETED, "completed_at": now}
    jobs = Job.objects.bulk_create(Job(session=session, data=data, **ended) for _ in range(count))
    run = {"session": session, "number": 1, "worker_id": worker.pk, "host": worker.host}
    JobAttempt.objects.bulk_create(
        JobAttempt(job=job, finished_at=now, outcome="succeeded", **run) for job in jobs
    )


def test_a_prompt_behind_hundreds_that_must_wait_is_claimed(make_session, worker):
    busy, free = make_session("busy"), make_session("free")
    enqueue_many(busy, 300)
    claim(worker)
    job = Job.objects.enqueue(free, "Do it")
    assert [run.job_id for run in claim(worker, limit=4)] == [job.pk]


def test_one_claim_fills_all_slots_where_one_session_has_the_oldest_prompts(make_session, worker):
    first, second, third = (make_session(name) for name in ("one", "two", "three"))
    enqueue_many(first, 300)
    later = [Job.objects.enqueue(session, "Do it") for session in (second, third)]
    oldest = Job.objects.filter(session=first).earliest("pk")
    claimed = [run.job_id for run in claim(worker, limit=4)]
    assert claimed == [oldest.pk, *(job.pk for job in later)]


def test_a_claim_takes_as_many_jobs_as_it_may_beyond_its_window(make_session, worker, monkeypatch):
    monkeypatch.setattr(claiming, "WINDOW", 0)
    jobs = [Job.objects.enqueue(make_session(name), "Do it") for name in "abcdef"]
    claimed = [run.job_id for run in claim(worker, limit=5)]
    assert claimed == [job.pk for job in jobs[:5]]


def test_a_job_with_an_id_of_another_kind_is_claimed_too(session, worker):
    data = {"prompt": "Do it", "projectPath": session.project_path}
    job = Job.objects.create(pk="zz-imported", session=session, data=data)
    assert [run.job_id for run in claim(worker)] == [job.pk]


def test_a_claim_costs_no_more_where_twenty_times_as_many_prompts_wait(make_session, worker):
    sessions = [make_session(name) for name in ("one", "two", "three")]
    for session in sessions:
        Job.objects.enqueue(session, "Do it")
    assert len(claim(worker, limit=4)) == len(sessions)
    short = cost_of_a_claim(worker, sessions, 1000)
    long = cost_of_a_claim(worker, sessions, 20_000)
    assert 0 < long < 2 * short


@pytest.mark.parametrize(
    "work",
    [
        lambda session, worker: list(JobAttempt.objects.held_by(worker.pk)),
        lambda session, worker: sweeps.rescue(),
        lambda session, worker: queue.prune(timedelta(days=30)),
        lambda session, worker: looking.look(worker, 1),
        lambda session, worker: queue.enqueue(session, "Do it"),
    ],
    ids=["heartbeat", "rescue", "prune", "look", "enqueue"],
)
def test_a_history_ten_times_as_long_costs_no_more(session, worker, work):
    run_many(session, worker, 100)
    short = cost(lambda: work(session, worker))
    run_many(session, worker, 1000)
    long = cost(lambda: work(session, worker))
    assert long < 2 * short + 100
