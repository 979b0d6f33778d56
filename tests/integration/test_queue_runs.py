"""How runs begin and end: fencing, retries, release, deferral, the prompt's message."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from jobs_app import afterwards, leases, queue
from jobs_app.leases import Ending, Record
from jobs_app.models import Job, JobAttempt, JobStatus
from jobs_app.outcomes import Outcome, Verdict
from sessions_app.providers import Usage
from sessions_app.transcript import NewMessage
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def reload(attempt):
    return JobAttempt.objects.select_related("job", "session").get(pk=attempt.pk)


def test_the_prompt_becomes_one_user_message_however_often_the_job_runs(attempt, worker):
    end(attempt, Outcome.INTERRUPTED)
    (again,) = claim(worker)
    (message,) = again.session.messages.all()
    job = Job.objects.get(pk=attempt.job_id)
    assert message.pk == job.data["messageId"]
    assert message.type == "user"
    assert json.loads(message.content_data)["content"] == "Do it"


def test_a_prompt_that_is_edited_before_its_next_run_is_shown_anew(attempt, worker):
    end(attempt, Outcome.INTERRUPTED)
    queue.edit(Job.objects.get(), prompt="Do that")
    claim(worker)
    prompts = [json.loads(row.content_data)["content"] for row in attempt.session.messages.all()]
    assert sorted(prompts) == ["Do it", "Do that"]


def test_a_completed_run_keeps_its_facts(attempt):
    assert end(
        attempt,
        Outcome.SUCCEEDED,
        exit_code=0,
        provider_session_id="abc",
        usage=Usage(10, 3, 2, 5, 1),
        raw_usage={"a": [1]},
        cost_usd=Decimal("0.25"),
        git_head="f" * 40,
    )
    run = reload(attempt)
    assert run.finished_at is not None
    assert (run.outcome, run.exit_code, run.provider_session_id) == ("succeeded", 0, "abc")
    assert (run.input_tokens, run.cached_input_tokens, run.output_tokens) == (10, 3, 5)
    assert (run.raw_usage, run.cost_usd) == ({"a": [1]}, Decimal("0.25"))
    assert run.job.status == JobStatus.COMPLETED
    assert (run.session.is_working, run.session.current_job_id) == (False, None)
    assert run.session.last_job_status == "completed"


def test_a_transient_failure_is_tried_again_later_and_later(attempt, worker):
    waits = []
    for _ in range(2):
        end(attempt, Outcome.FAILED, "Broken.")
        job = Job.objects.get(pk=attempt.job_id)
        assert (job.status, job.error) == (JobStatus.PENDING, "Broken.")
        waits.append((job.next_retry_at - timezone.now()).total_seconds())
        Job.objects.update(next_retry_at=timezone.now())
        (attempt,) = claim(worker)
    assert 3.5 < waits[0] <= 5
    assert 7.5 < waits[1] <= 10
    end(attempt, Outcome.FAILED, "Broken.")
    assert Job.objects.get(pk=attempt.job_id).status == JobStatus.FAILED


def test_backoff_is_capped():
    assert afterwards.backoff(1000) <= afterwards.BACKOFF_CAP * 1.25


def test_a_permanent_failure_ends_the_job_at_once(attempt):
    end(attempt, Outcome.FAILED, "Not logged in.", permanent=True)
    job = Job.objects.get(pk=attempt.job_id)
    assert (job.status, job.error, job.attempts) == (JobStatus.FAILED, "Not logged in.", 1)


@pytest.mark.parametrize("verb", ["release", "defer"])
def test_a_shutdown_or_a_rate_limit_costs_no_attempt(attempt, verb):
    until = timezone.now() + timedelta(hours=2)
    if verb == "release":
        end(attempt, Outcome.INTERRUPTED)
    else:
        end(attempt, Outcome.RATE_LIMITED, "At the limit.", until=until)
    job = Job.objects.get(pk=attempt.job_id)
    assert (job.status, job.attempts) == (JobStatus.PENDING, 0)
    assert job.next_retry_at == (None if verb == "release" else until)


@pytest.mark.parametrize(
    "write",
    [
        lambda run: end(run, Outcome.SUCCEEDED),
        lambda run: end(run, Outcome.FAILED, "x"),
        lambda run: end(run, Outcome.INTERRUPTED),
        lambda run: end(run, Outcome.RATE_LIMITED),
        lambda run: end(run, Outcome.CANCELLED),
        leases.rescue,
    ],
)
def test_a_run_whose_lease_moved_writes_nothing(attempt, worker, write):
    leases.rescue(attempt)
    Job.objects.update(next_retry_at=None)
    (successor,) = claim(worker)
    messages = attempt.session.messages.count()
    assert not write(attempt)
    job = Job.objects.get(pk=attempt.job_id)
    assert job.status == JobStatus.PROCESSING
    assert reload(successor).finished_at is None
    assert attempt.session.messages.count() == messages


def test_a_job_that_kills_its_worker_each_time_fails_with_the_reason(session, worker):
    Job.objects.enqueue(session, "poison", max_attempts=2)
    for _ in range(2):
        Job.objects.update(next_retry_at=None)
        assert leases.rescue(claim(worker)[0])
    job = Job.objects.get()
    assert job.status == JobStatus.FAILED
    assert "died during this attempt" in job.error
    assert "the last of 2" in job.error
    kinds = [message.type for message in session.messages.in_order()]
    assert kinds == ["user", "error", "error"]


def test_prune_deletes_only_what_ended_long_ago(session, worker):
    old, recent, waiting = (Job.objects.enqueue(session, text) for text in ("a", "b", "c"))
    for job in (old, recent):
        job.cancel()
    Job.objects.filter(pk=old.pk).update(completed_at=timezone.now() - timedelta(days=31))
    assert queue.prunable(timedelta(days=30)).count() == 1
    assert Job.objects.count() == 3
    assert queue.prune(timedelta(days=30)) == 1
    assert set(Job.objects.values_list("pk", flat=True)) == {recent.pk, waiting.pk}


def say(attempt, conversation: str) -> None:
    """The agent answers in this conversation."""
    said = NewMessage(
        session_id=attempt.session_id,
        provider=attempt.session.provider,
        type="assistant",
        content=json.dumps({"type": "assistant", "session_id": conversation}),
        provider_session_id=conversation,
    )
    leases.record([Record(attempt, said)], [])


def lose(worker) -> tuple[str | None, Job]:
    """The next attempt cannot resume its conversation: which that was, and the job after it."""
    Job.objects.update(next_retry_at=None)
    (claimed,) = leases.claim(worker)
    conversation = claimed.facts.conversation
    gone = Verdict(Outcome.FAILED, "Gone.", permanent=True, lost_conversation=conversation)
    leases.record([Record(claimed.attempt, Ending(gone, exit_code=1))], [])
    return conversation, Job.objects.get(pk=claimed.attempt.job_id)


def test_a_session_whose_conversation_is_lost_goes_on_in_the_one_before_it(attempt, worker):
    for conversation in ("first", "second"):
        say(attempt, conversation)
    end(attempt, Outcome.SUCCEEDED)
    Job.objects.enqueue(attempt.session, "Go on")
    lost, job = lose(worker)
    assert (lost, job.status, job.attempts) == ("second", JobStatus.PENDING, 0)
    last = attempt.session.messages.in_order().last()
    text = json.loads(last.content_data)["message"]
    assert "second cannot be resumed" in text
    assert "first" in text
    assert text in [getattr(shape, "text", "") for shape in attempt.session.messages.display()]
    Job.objects.update(next_retry_at=None)
    (claimed,) = leases.claim(worker)
    assert claimed.facts.conversation == "first"


def test_a_session_with_one_conversation_that_is_lost_says_so_and_fails(attempt, worker):
    say(attempt, "only")
    end(attempt, Outcome.SUCCEEDED)
    Job.objects.enqueue(attempt.session, "Go on")
    lost, job = lose(worker)
    assert (lost, job.status, job.error) == ("only", JobStatus.FAILED, "Gone.")
    assert json.loads(attempt.session.messages.in_order().last().content_data)["message"] == "Gone."


def test_conversations_that_are_all_lost_end_the_job_after_its_attempts(attempt, worker):
    for conversation in ("first", "second"):
        say(attempt, conversation)
    end(attempt, Outcome.SUCCEEDED)
    Job.objects.enqueue(attempt.session, "Go on", max_attempts=3)
    attempts = [lose(worker)[1].attempts for _ in range(4)]
    assert attempts == [0, 1, 2, 3]  # going back the first time costs none
    assert Job.objects.latest("pk").status == JobStatus.FAILED
