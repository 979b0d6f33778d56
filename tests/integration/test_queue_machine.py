"""The verbs in any order: a model that fits on a page says what the database must hold."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobs_app import claiming, leases, queue
from jobs_app.models import Job, JobAttempt, Worker
from jobs_app.outcomes import Outcome
from jobs_app.worker.upkeep import new_worker
from sessions_app.models import Session
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

SESSIONS = 2
PICK = st.integers(min_value=0, max_value=1000)
PENDING, PROCESSING = "pending", "processing"
ENDED = ("completed", "failed", "cancelled")
LATER = timedelta(hours=1)


@dataclass
class JobModel:
    """A job as it should be; `run` is its open attempt, `waits` that it may not start yet."""

    pk: str
    session: int
    max_attempts: int
    status: str = PENDING
    attempts: int = 0
    runs: int = 0
    waits: bool = False
    run: JobAttempt | None = None
    cancel_asked: bool = False
    is_shown: bool = False
    is_limited: bool = False
    is_edited: bool = False

    def end(self, status: str, *, refund: bool = False, waits: bool = False) -> None:
        if status == PENDING and self.cancel_asked:
            status, refund, waits = "cancelled", False, False
        self.status, self.waits = status, waits
        self.attempts -= refund
        self.run, self.cancel_asked = None, False

    def fail(self) -> None:
        is_last = self.attempts >= self.max_attempts
        status = "failed" if is_last and not self.cancel_asked else PENDING
        self.end(status, waits=status == PENDING)


ENDINGS = {
    "complete": (
        lambda run: end(run, Outcome.SUCCEEDED),
        lambda job: job.end("completed"),
    ),
    "fail": (
        lambda run: end(run, Outcome.FAILED, "Broken."),
        lambda job: job.fail(),
    ),
    "fail for good": (
        lambda run: end(run, Outcome.FAILED, "Broken.", permanent=True),
        lambda job: job.end("cancelled" if job.cancel_asked else "failed"),
    ),
    "release": (
        lambda run: end(run, Outcome.INTERRUPTED),
        lambda job: job.end(PENDING, refund=True),
    ),
    "defer": (
        lambda run: end(run, Outcome.RATE_LIMITED, until=timezone.now() + LATER),
        lambda job: job.end(PENDING, refund=True, waits=True),
    ),
    "end cancelled": (
        lambda run: end(run, Outcome.CANCELLED),
        lambda job: job.end("cancelled"),
    ),
}


class QueueMachine(RuleBasedStateMachine):
    directory: str

    @initialize()
    def start(self):
        self.worker = new_worker("test", concurrency=4)
        self.worker.save()
        create = partial(Session.objects.create_for_path, self.directory)
        self.sessions = [create() for _ in range(SESSIONS)]
        self.archived: set[int] = set()
        self.last_status: list[str | None] = [None] * SESSIONS
        self.messages = [0] * SESSIONS
        self.jobs: list[JobModel] = []
        self.closed: list[JobAttempt] = []

    def teardown(self):
        Session.objects.all().delete()
        Worker.objects.all().delete()

    # --- what people ask for ------------------------------------------------

    @rule(session=st.integers(0, SESSIONS - 1), max_attempts=st.integers(1, 3))
    def enqueue(self, session, max_attempts):
        ask = partial(queue.enqueue, self.sessions[session], "Do it", max_attempts=max_attempts)
        if session in self.archived:
            pytest.raises(ValidationError, ask)
        else:
            self.jobs.append(JobModel(ask().pk, session, max_attempts))

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def edit(self, pick):
        job = self.pick(pick)
        ask = partial(queue.edit, self.row(job), prompt="Do that", max_attempts=2)
        if job.status != PENDING:
            pytest.raises(ValidationError, ask)
        else:
            ask()
            job.max_attempts = 2
            job.is_shown = job.is_shown and job.is_edited  # a changed prompt gets a new message
            job.is_edited = True

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def cancel(self, pick):
        job = self.pick(pick)
        can = job.status == PENDING or (job.status == PROCESSING and not job.cancel_asked)
        assert queue.cancel(self.row(job)) == can
        if job.status == PENDING:
            job.end("cancelled")
            if not any(other.session == job.session for other in self.running):
                self.last_status[job.session] = "cancelled"
        elif can:
            job.cancel_asked = True
        assert not queue.cancel(self.row(job))

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def retry(self, pick):
        job = self.pick(pick)
        if job.session in self.archived:
            pytest.raises(ValidationError, queue.retry, self.row(job))
            return
        can = job.status in ("failed", "cancelled")
        assert queue.retry(self.row(job)) == can
        if can:
            job.status, job.attempts = PENDING, 0

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def remove(self, pick):
        job = self.pick(pick)
        if job.status == PROCESSING:
            pytest.raises(ValidationError, queue.remove, [self.row(job)])
        else:
            queue.remove([self.row(job)])
            self.forget(job)

    @rule(session=st.integers(0, SESSIONS - 1))
    def archive_or_activate(self, session):
        self.archived ^= {session}
        state = "inactive" if session in self.archived else "active"
        Session.objects.filter(pk=self.sessions[session].pk).update(state=state)

    # --- what workers do ----------------------------------------------------

    @rule(limit=st.integers(1, 4))
    def claim(self, limit):
        expected = [job for job in self.jobs if self.is_runnable(job)][:limit]
        claimed = claim(self.worker, limit)
        assert [run.job_id for run in claimed] == [job.pk for job in expected]
        for job, run in zip(expected, claimed, strict=True):
            job.status, job.run, job.waits = PROCESSING, run, False
            job.attempts, job.runs = job.attempts + 1, job.runs + 1
            assert run.number == job.runs
            self.messages[job.session] += not job.is_shown
            job.is_shown = True
            self.last_status[job.session] = PROCESSING

    @precondition(lambda self: self.running)
    @rule(pick=PICK, how=st.sampled_from(sorted(ENDINGS)))
    def end(self, pick, how):
        job = self.running[pick % len(self.running)]
        verb, effect = ENDINGS[how]
        assert verb(job.run)
        assert not verb(job.run)
        self.closed.append(job.run)
        self.messages[job.session] += how == "defer" and not job.is_limited  # says so once
        job.is_limited = how == "defer"
        effect(job)
        self.last_status[job.session] = job.status

    @precondition(lambda self: self.running)
    @rule(pick=PICK)
    def rescue(self, pick):
        job = self.running[pick % len(self.running)]
        assert leases.rescue(JobAttempt.objects.select_related("job", "session").get(pk=job.run.pk))
        self.messages[job.session] += 1  # says what happened
        job.is_limited = False
        self.closed.append(job.run)
        job.fail()
        self.last_status[job.session] = job.status

    @precondition(lambda self: self.closed)
    @rule(pick=PICK, how=st.sampled_from(sorted(ENDINGS)))
    def end_without_a_lease(self, pick, how):
        """A run that was frozen while its job was given to another."""
        verb, _ = ENDINGS[how]
        assert not verb(self.closed[pick % len(self.closed)])

    @rule()
    def let_time_pass(self):
        Job.objects.pending().update(next_retry_at=timezone.now())
        for job in self.jobs:
            job.waits = False

    @rule()
    def prune(self):
        ended = [job for job in self.jobs if job.status in ENDED]
        assert queue.prunable(timedelta(0)).count() == len(ended)
        assert queue.prune(timedelta(0)) == len(ended)
        for job in ended:
            self.forget(job)

    # --- what must hold -----------------------------------------------------

    @invariant()
    def jobs_are_as_the_model_says(self):
        now = timezone.now()
        rows = Job.objects.values_list("pk", "status", "attempts", "max_attempts", "next_retry_at")
        there = {(*row, until is not None and until > now) for *row, until in rows}
        assert there == {
            (job.pk, job.status, job.attempts, job.max_attempts, job.waits) for job in self.jobs
        }

    @invariant()
    def open_attempts_are_those_of_running_jobs(self):
        rows = JobAttempt.objects.open().values_list("pk", "job_id")
        assert set(rows) == {(job.run.pk, job.pk) for job in self.running}

    @invariant()
    def sessions_say_what_runs(self):
        working = {job.session: job.pk for job in self.running}
        for number, session in enumerate(self.sessions):
            session.refresh_from_db()
            assert session.is_working == (number in working)
            assert session.current_job_id == working.get(number)
            assert session.last_job_status == self.last_status[number]
            assert session.message_count == self.messages[number] == session.messages.count()

    # --- the model ----------------------------------------------------------

    @property
    def running(self) -> list[JobModel]:
        return [job for job in self.jobs if job.status == PROCESSING]

    def is_runnable(self, job: JobModel) -> bool:
        own = [other for other in self.jobs if other.session == job.session]
        earlier = own[: own.index(job)]
        is_free = not any(other.status == PROCESSING for other in own)
        is_next = all(other.status in ENDED for other in earlier)
        is_due = job.status == PENDING and not job.waits
        return is_due and is_free and is_next and job.session not in self.archived

    def pick(self, number: int) -> JobModel:
        return self.jobs[number % len(self.jobs)]

    def row(self, job: JobModel) -> Job:
        return Job.objects.select_related("session").get(pk=job.pk)

    def forget(self, job: JobModel) -> None:
        self.jobs.remove(job)
        self.closed = [run for run in self.closed if run.job_id != job.pk]


@pytest.mark.parametrize("heads", [False, True], ids=["oldest", "first of session"])
def test_any_order_of_verbs_leaves_what_the_model_says(tmp_path, monkeypatch, heads):
    select = claiming._select
    if heads:
        monkeypatch.setattr(claiming, "_select", lambda window, _, *rest: select(0, True, *rest))
    machine = type("Machine", (QueueMachine,), {"directory": str(tmp_path)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=50,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # to shrink a failure on a real database takes minutes
        ),
    )
