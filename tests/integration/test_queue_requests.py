"""What people ask of the queue: enqueue, edit, cancel, retry, remove."""

import pytest
from django.core.exceptions import ValidationError

from jobs_app import queue
from jobs_app.models import Job, JobStatus
from jobs_app.outcomes import Outcome
from sessions_app.models import Session, SessionState
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def fail(attempt):
    return end(attempt, Outcome.FAILED, "No.", permanent=True)


def test_an_enqueued_job_holds_the_prompt_and_its_options(session):
    job = Job.objects.enqueue(session, "Do it", model="opus", allowed_tools=["Bash(ls:*)"])
    job.refresh_from_db()
    assert job.data == {
        "prompt": "Do it",
        "projectPath": session.project_path,
        "model": "opus",
        "allowedTools": ["Bash(ls:*)"],
    }
    assert (job.status, job.attempts, job.max_attempts) == (JobStatus.PENDING, 0, 3)


def test_a_prompt_goes_behind_earlier_ones_also_where_the_clock_is_behind(session, monkeypatch):
    first = Job.objects.enqueue(session, "first")
    long_ago = "00000000-0000-7000-8000-000000000000"
    monkeypatch.setattr("sessions_app.ids.new_id", lambda: long_ago)
    second, third = (Job.objects.enqueue(session, text) for text in ("second", "third"))
    assert first.pk < second.pk < third.pk


@pytest.mark.parametrize(
    ("prompt", "options", "sentence"),
    [
        ("", {}, "The prompt is empty"),
        (" \n", {}, "The prompt is empty"),
        ("a\x00b", {}, "holds a NUL character"),
        ("\ud800", {}, "not valid UTF-8"),
        ("x" * (4 * 1024 * 1024 + 1), {}, "over 4 MiB"),
        ("ok", {"model": "--settings=x"}, "is not a model name"),
        ("ok", {"model": "a\nb"}, "is not a model name"),
        ("ok", {"allowed_tools": ["X,Bash"]}, "is not a tool"),
        ("ok", {"allowed_tools": ["--help"]}, "is not a tool"),
    ],
)
def test_a_wrong_prompt_model_or_tool_is_refused_and_nothing_is_saved(
    session, prompt, options, sentence
):
    with pytest.raises(ValidationError, match=sentence):
        Job.objects.enqueue(session, prompt, **options)
    assert not Job.objects.exists()


@pytest.mark.parametrize("prompt", ["--help me", "-x", "/cost", "x" * 2_000_000, "\u2028 ünï 🎉"])
def test_an_odd_but_valid_prompt_is_kept_as_it_is(session, prompt):
    job = Job.objects.enqueue(session, prompt)
    job.refresh_from_db()
    assert job.prompt == prompt


def test_codex_takes_no_list_of_tools(make_session):
    session = make_session(provider="codex-cli")
    with pytest.raises(ValidationError, match="Codex takes no list of allowed tools"):
        Job.objects.enqueue(session, "Do it", allowed_tools=["Read"])


def test_an_archived_session_takes_no_prompt_until_it_is_active_again(session, worker):
    Job.objects.enqueue(session, "Earlier")
    Session.objects.filter(pk=session.pk).update(state=SessionState.INACTIVE)
    with pytest.raises(ValidationError, match="archived"):
        Job.objects.enqueue(session, "Do it")
    assert claim(worker) == []
    Session.objects.filter(pk=session.pk).update(state=SessionState.ACTIVE)
    assert len(claim(worker)) == 1


def test_a_pending_job_can_be_edited_and_keeps_its_prompt_id(session):
    job = Job.objects.enqueue(session, "Do it", model="opus")
    queue.edit(job, prompt="Do that", max_attempts=5)
    edited = Job.objects.get(pk=job.pk)
    assert (edited.prompt, edited.model, edited.max_attempts) == ("Do that", None, 5)
    assert edited.prompt_id == job.prompt_id


def test_a_started_job_cannot_be_edited(session, worker):
    job = Job.objects.enqueue(session, "Do it")
    claim(worker)
    with pytest.raises(ValidationError, match="only a pending one can be edited"):
        queue.edit(job, prompt="Something else")
    assert Job.objects.get(pk=job.pk).prompt == "Do it"


def test_cancelling_a_waiting_job_ends_it_at_once(session, worker):
    job = Job.objects.enqueue(session, "Do it")
    assert job.cancel()
    assert job.status == JobStatus.CANCELLED
    assert job.completed_at is not None
    assert claim(worker) == []
    assert not job.cancel()


def test_cancelling_a_running_job_asks_its_worker(session, worker):
    job = Job.objects.enqueue(session, "Do it")
    (attempt,) = claim(worker)
    assert job.cancel()
    assert job.status == JobStatus.PROCESSING
    attempt.refresh_from_db()
    assert attempt.cancel_requested_at is not None
    assert end(attempt, Outcome.CANCELLED)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_a_job_whose_run_fails_after_a_cancel_is_not_tried_again(session, worker):
    job = Job.objects.enqueue(session, "Do it")
    (attempt,) = claim(worker)
    job.cancel()
    end(attempt, Outcome.FAILED, "Broken.")
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_retry_queues_a_failed_job_again_with_all_its_attempts(session, worker):
    job = Job.objects.enqueue(session, "Do it")
    fail(claim(worker)[0])
    assert Job.objects.get(pk=job.pk).status == JobStatus.FAILED
    assert job.retry()
    assert (job.status, job.attempts, job.error) == (JobStatus.PENDING, 0, None)
    assert [run.number for run in claim(worker)] == [2]


def test_retry_leaves_a_job_alone_that_has_not_failed(session):
    job = Job.objects.enqueue(session, "Do it")
    assert not job.retry()


def test_a_prompt_that_is_edited_and_run_again_keeps_its_group(session):
    first = Job.objects.enqueue(session, "Do it")
    second = Job.objects.enqueue(session, "Do it better", prompt_id=first.prompt_id)
    assert second.prompt_id == first.prompt_id


def test_a_running_job_cannot_be_deleted_and_none_of_its_batch_is(session, make_session, worker):
    running = Job.objects.enqueue(session, "Do it")
    other = Job.objects.enqueue(make_session("two"), "Other")
    claim(worker)
    with pytest.raises(ValidationError, match="is running: cancel it first"):
        queue.remove([running, other])
    assert Job.objects.count() == 2
    end(running.runs.get(), Outcome.SUCCEEDED)
    assert queue.remove([running]) == 1
    assert not running.runs.exists()


def test_wait_returns_the_final_status_or_times_out(session):
    job = Job.objects.enqueue(session, "Do it")
    with pytest.raises(TimeoutError, match="still pending"):
        job.wait(timeout=0.01)
    job.cancel()
    assert job.wait(timeout=5) == "cancelled"


@pytest.mark.parametrize("number", [0, -5, 101, 2**40, "many"])
def test_a_maximum_of_attempts_that_makes_no_sense_is_refused(session, number):
    with pytest.raises(ValidationError, match="from 1 to 100|must be an integer"):
        Job.objects.enqueue(session, "Do it", max_attempts=number)
    assert not Job.objects.exists()
