"""What agents ask and are told, as the queue keeps it: through answers, ends and deaths."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils import timezone

from jobs_app import leases, queue, steering
from jobs_app.leases import Record
from jobs_app.models import (
    Closed,
    Job,
    JobAttempt,
    JobDraft,
    JobOptions,
    JobRequest,
    JobStatus,
    JobSteer,
    Worker,
)
from jobs_app.outcomes import Outcome
from jobs_app.talk import Asking, Closing, Drafting, Hearing, Reopening, Telling
from jobs_app.worker.looking import look
from sessions_app import transcript
from sessions_app.transcript import NewMessage
from tests.asked import DATABASE, ask, bash, close, questions
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def store(attempt, *items) -> bool:
    return bool(leases.record([Record(attempt, item) for item in items], []))


def job_of(attempt) -> Job:
    return Job.objects.get(pk=attempt.job_id)


def told_prompts(session) -> list[str]:
    return [job.prompt for job in Job.objects.filter(session=session).order_by("pk")]


def shown(session) -> list[str]:
    rows = transcript.after(session.pk, limit=100)
    return [row.content_data for row in rows if row.type == "user"]


def queue_is_empty(worker) -> bool:
    return look(worker, 1, until_empty=True).queue_is_empty


# --- waiting ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome", [Outcome.PARKED, Outcome.LOST, Outcome.INTERRUPTED, Outcome.FAILED]
)
def test_a_job_that_waits_goes_on_after_the_answer_and_costs_no_attempt(attempt, worker, outcome):
    Job.objects.update(max_attempts=1)
    attempt.job.max_attempts = 1
    request = ask(attempt, bash())
    end(attempt, outcome)
    assert (job_of(attempt).status, job_of(attempt).attempts) == ("pending", 0)
    assert not claim(worker)
    assert JobRequest.objects.unanswered().get() == request
    request.allow()
    [again] = leases.claim(worker)
    assert [known.given for known in again.facts.answered] == [{"decision": "allow"}]


def test_an_answer_that_came_just_before_its_agent_died_costs_no_attempt_either(attempt, worker):
    Job.objects.update(max_attempts=1)
    attempt.job.max_attempts = 1
    ask(attempt, bash()).allow()
    assert leases.rescue(attempt)
    [again] = leases.claim(worker)
    assert [known.pk for known in again.facts.answered] == [JobRequest.objects.get().pk]


def test_an_attempt_after_the_answer_costs_as_any_other(attempt, worker):
    ask(attempt, bash()).allow()
    end(attempt, Outcome.PARKED)
    [again] = claim(worker)
    end(again, Outcome.LOST)
    assert job_of(attempt).attempts == 1


def test_one_that_was_parked_and_asks_nothing_costs_an_attempt(attempt):
    """Its question could not be stored: it must not be tried for ever."""
    end(attempt, Outcome.PARKED)
    job = job_of(attempt)
    assert (job.status, job.attempts) == ("pending", 1)
    assert job.next_retry_at > timezone.now()


def test_a_permanent_failure_and_a_success_close_what_was_asked(make_session, worker):
    for number, (outcome, permanent) in enumerate(
        [(Outcome.FAILED, True), (Outcome.SUCCEEDED, False), (Outcome.CANCELLED, False)]
    ):
        Job.objects.enqueue(make_session(str(number)), "Do it")
        [attempt] = claim(worker)
        request = ask(attempt, bash())
        end(attempt, outcome, permanent=permanent)
        request.refresh_from_db()
        assert (request.closed_why, request.is_open) == (Closed.RUN_ENDED, False)
        assert job_of(attempt).is_finished


def test_later_prompts_of_its_session_wait_behind_it_and_others_go_on(
    attempt, session, make_session, worker
):
    request = ask(attempt, bash())
    end(attempt, Outcome.PARKED)
    later = Job.objects.enqueue(session, "Then that")
    other = Job.objects.enqueue(make_session("two"), "Other work")
    assert [run.job_id for run in claim(worker, 10)] == [other.pk]
    request.deny()
    [again] = claim(worker, 10)
    assert again.job_id == attempt.job_id
    end(again, Outcome.SUCCEEDED)
    assert [run.job_id for run in claim(worker, 10)] == [later.pk]


def test_all_that_was_asked_at_once_has_to_be_answered(attempt, worker):
    first, second = ask(attempt, bash("one")), ask(attempt, bash("two"))
    end(attempt, Outcome.PARKED)
    first.allow()
    assert not claim(worker)
    second.deny()
    [again] = leases.claim(worker)
    assert [known.given["decision"] for known in again.facts.answered] == ["allow", "deny"]


def test_what_is_parked_and_what_waits_behind_it_do_not_keep_a_draining_worker(
    attempt, session, make_session, worker
):
    request = ask(attempt, bash())
    assert not queue_is_empty(worker)
    end(attempt, Outcome.PARKED)
    Job.objects.enqueue(session, "Then that")
    assert queue_is_empty(worker)
    other = Job.objects.enqueue(make_session("two"), "Other work")
    queue.edit(other, prompt="Other work", max_attempts=1)
    Job.objects.filter(pk=other.pk).update(next_retry_at=timezone.now().replace(year=2999))
    assert not queue_is_empty(worker)
    queue.cancel(other)
    request.allow()
    assert not look(worker, 0, until_empty=True).queue_is_empty


def test_an_earlier_job_that_is_tried_again_is_not_behind_it(session, worker):
    first, _ = (Job.objects.enqueue(session, text) for text in ("first", "second"))
    [run] = claim(worker)
    end(run, Outcome.FAILED, permanent=True)
    [run] = claim(worker)
    ask(run, bash())
    end(run, Outcome.PARKED)
    assert queue_is_empty(worker)
    queue.retry(first)
    assert not look(worker, 0, until_empty=True).queue_is_empty


# --- the fence, and answers that are used once ----------------------------------------


def test_a_worker_that_has_lost_its_lease_asks_and_closes_nothing(attempt, worker):
    request = ask(attempt, bash())
    leases.rescue(attempt)
    late = JobRequest(
        attempt=attempt,
        job_id=attempt.job_id,
        session=attempt.session,
        kind="permission",
        tool="Bash",
        content_data=bash(),
    )
    request.allow()
    assert not store(attempt, Asking(late), Closing([request], Closed.ANSWERED))
    assert JobRequest.objects.undelivered().get() == request


def test_an_answer_that_was_handed_over_is_not_used_again(attempt, worker):
    request = ask(attempt, bash()).allow()
    close(request, Closed.ANSWERED)
    leases.rescue(attempt)
    Job.objects.update(next_retry_at=None)
    [again] = leases.claim(worker)
    assert again.facts.answered == ()
    with pytest.raises(ValidationError, match="has answered this already"):
        request.deny()


def test_an_answer_that_was_not_handed_over_after_all_is_for_the_next_attempt(attempt, worker):
    request = ask(attempt, bash()).allow()
    store(attempt, Closing([request], Closed.ANSWERED))
    store(attempt, Reopening(request))
    end(attempt, Outcome.PARKED)
    [again] = leases.claim(worker)
    assert [known.pk for known in again.facts.answered] == [request.pk]


def test_a_group_that_is_stored_twice_asks_once(attempt):
    request = JobRequest(
        attempt=attempt,
        job_id=attempt.job_id,
        session=attempt.session,
        kind="permission",
        tool="Bash",
        content_data=bash(),
    )
    store(attempt, Asking(request))
    request.allow()
    store(attempt, Asking(request))
    assert JobRequest.objects.get().answer == {"decision": "allow"}


def test_of_many_answers_at_once_one_wins_and_the_others_hear_why(attempt):
    request = ask(attempt, bash())
    heard: list[str] = []

    def answer(number: int) -> None:
        try:
            mine = JobRequest.objects.get(pk=request.pk)
            mine.allow(by=f"p{number}") if number % 2 else mine.deny(by=f"p{number}")
            heard.append("given")
        except ValidationError as error:
            heard.extend(error.messages)
        finally:
            connections.close_all()

    people = [threading.Thread(target=answer, args=[number]) for number in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
    request.refresh_from_db()
    assert heard.count("given") == 1
    assert [text for text in heard if text != "given"] == [
        f"{request.answered_by} has answered this already."
    ] * 7


def test_the_news_brings_answers_and_words_until_they_are_stored(attempt, worker):
    request = ask(attempt, bash()).allow()
    told = steering.steer(attempt.job, "Hurry")
    for _ in range(2):
        [news] = look(worker, 0).news
        assert (list(news.answered), list(news.told)) == ([request], [told])
    store(attempt, Closing([request], Closed.ANSWERED), Telling(told))
    assert look(worker, 0).news == []


# --- what people do with a job that waits ------------------------------------------------


@pytest.mark.parametrize("is_parked", [False, True])
def test_cancelling_it_closes_what_was_asked(attempt, worker, is_parked):
    request = ask(attempt, bash())
    if is_parked:
        end(attempt, Outcome.PARKED)
    assert queue.cancel(attempt.job)
    if not is_parked:
        end(attempt, Outcome.LOST)
    request.refresh_from_db()
    assert (request.closed_why, job_of(attempt).status) == (Closed.RUN_ENDED, "cancelled")
    with pytest.raises(ValidationError, match="This request is closed: the job ended"):
        request.allow()
    assert queue.retry(job_of(attempt))
    [again] = leases.claim(worker)
    assert again.facts.answered == ()


@pytest.mark.parametrize("is_parked", [False, True])
def test_denying_and_stopping_ends_the_job(attempt, worker, is_parked):
    request = ask(attempt, bash())
    if is_parked:
        end(attempt, Outcome.PARKED)
    request.deny(stop=True)
    if not is_parked:
        assert look(worker, 0).news[0].is_interrupted
        close(request, Closed.ANSWERED)
        end(attempt, Outcome.LOST)
    assert job_of(attempt).status == JobStatus.CANCELLED
    assert not claim(worker)


def test_a_job_whose_agent_has_asked_something_is_not_edited(attempt):
    request = ask(attempt, bash())
    end(attempt, Outcome.PARKED)
    job = job_of(attempt)
    for _ in range(2):
        with pytest.raises(ValidationError, match="answer that, or cancel the job"):
            queue.edit(job, prompt="Do that")
        if request.is_open:
            request.allow()
    assert job_of(attempt).prompt == "Do it"


def test_removing_or_pruning_its_job_takes_its_talk_along(attempt):
    ask(attempt, bash())
    steering.steer(attempt.job, "Hurry")
    end(attempt, Outcome.PARKED)
    queue.remove([job_of(attempt)])
    assert not JobRequest.objects.exists()
    assert not JobSteer.objects.exists()


def test_a_parked_job_moves_with_its_session_and_is_answered_there(attempt, session, worker):
    request = ask(attempt, bash())
    end(attempt, Outcome.PARKED)
    queue.move(session, "elsewhere")
    request.allow()
    assert not claim(worker)
    Worker.objects.filter(pk=worker.pk).update(host="elsewhere")
    worker.host = "elsewhere"
    [again] = leases.claim(worker)
    assert [known.pk for known in again.facts.answered] == [request.pk]


def test_a_session_whose_worker_died_while_it_waited_moves_with_its_question(
    attempt, session, worker
):
    request = ask(attempt, bash())
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=timezone.now().replace(year=2001))
    queue.move(session, "elsewhere")
    assert JobRequest.objects.unanswered().get() == request
    assert (job_of(attempt).status, job_of(attempt).attempts) == ("pending", 0)


# --- much of it -----------------------------------------------------------------------


def test_a_thousand_requests_of_a_run_are_asked_and_answered(attempt, worker):
    requests = [
        JobRequest(
            attempt=attempt,
            job_id=attempt.job_id,
            session=attempt.session,
            kind="permission",
            tool="Bash",
            content_data=bash(f"make {number}"),
        )
        for number in range(1000)
    ]
    store(attempt, *(Asking(request) for request in requests))
    JobRequest.objects.update(answer={"decision": "deny"}, answered_at=timezone.now())
    end(attempt, Outcome.PARKED)
    [again] = leases.claim(worker)
    asked = [known.asked.input["command"] for known in again.facts.answered]
    assert asked == [f"make {number}" for number in range(1000)]


def test_a_request_of_ten_megabytes_is_kept_whole(attempt, worker):
    command = "x" * 10_000_000
    ask(attempt, bash(command)).allow()
    [news] = look(worker, 0).news
    assert news.answered[0].asked.input["command"] == command


# --- what an agent is told ---------------------------------------------------------------


def test_a_word_is_a_message_once_where_the_agent_read_it(attempt, session):
    told = steering.steer(attempt.job, "Hurry")
    before = transcript.after(session.pk, limit=100)
    store(attempt, Telling(told))
    assert [row.pk for row in transcript.after(session.pk, limit=100)] == [r.pk for r in before]
    for _ in range(2):  # a receipt that comes again
        store(attempt, Hearing(told))
    assert len(shown(session)) == 2
    assert "Hurry" in shown(session)[1]
    end(attempt, Outcome.SUCCEEDED)
    assert told_prompts(session) == ["Do it"]


def test_a_group_with_a_word_whose_commit_went_unheard_is_not_stored_twice(attempt, session):
    told = steering.steer(attempt.job, "Hurry")
    group, receipt = [Record(attempt, Telling(told)), Record(attempt, Hearing(told))], []
    leases.record(group, receipt)
    leases.record(group, receipt)
    assert len(shown(session)) == 2


def test_what_was_not_read_is_the_next_prompt_before_those_that_waited(attempt, session, worker):
    JobOptions.objects.create(job=attempt.job, approvals="deny")
    Job.objects.enqueue(session, "Later work")
    sent, unsent = (steering.steer(attempt.job, text) for text in ("One", "Two"))
    store(attempt, Telling(sent))
    end(attempt, Outcome.SUCCEEDED)
    assert told_prompts(session) == ["Do it", "One", "Two", "Later work"]
    [run] = leases.claim(worker)
    assert (run.attempt.job.prompt, run.facts.approvals) == ("One", "deny")
    for told in (sent, unsent):
        told.refresh_from_db()
    assert sent.own_job_id == run.attempt.job_id
    end(run.attempt, Outcome.SUCCEEDED)
    assert told_prompts(session) == ["Do it", "One", "Two", "Later work"]


def test_what_a_stopped_job_had_not_read_is_kept_and_runs_only_if_a_person_wants_it(
    attempt, worker
):
    told = steering.steer(attempt.job, "Hurry")
    end(attempt, Outcome.CANCELLED)
    told.refresh_from_db()
    kept = Job.objects.get(pk=told.own_job_id)
    assert (kept.prompt, kept.status) == ("Hurry", "cancelled")
    assert leases.claim(worker) == []
    assert kept.retry()
    assert [run.attempt.job.prompt for run in leases.claim(worker)] == ["Hurry"]


def test_what_was_not_read_is_told_to_the_next_attempt(attempt, session, worker):
    told = steering.steer(attempt.job, "Hurry")
    store(attempt, Telling(told))
    end(attempt, Outcome.LOST)
    Job.objects.update(next_retry_at=None)
    claim(worker)
    [news] = look(worker, 0).news
    assert list(news.told) == [told]
    assert told_prompts(session) == ["Do it"]


def test_what_was_not_read_when_a_job_is_cancelled_between_attempts_is_not_lost(attempt, session):
    steering.steer(attempt.job, "Hurry")
    end(attempt, Outcome.LOST)
    assert queue.cancel(job_of(attempt))
    assert told_prompts(session) == ["Do it", "Hurry"]


def test_a_word_that_comes_with_the_end_is_never_lost(session, worker, make_session):
    """Either the end finds it, or it finds the end."""
    for number in range(20):
        own = make_session(str(number))
        job = Job.objects.enqueue(own, "Do it")
        [attempt] = claim(worker)

        def tell(job=job) -> None:
            try:
                steering.steer(job, "Hurry")
            finally:
                connections.close_all()

        person = threading.Thread(target=tell)
        person.start()
        end(attempt, Outcome.SUCCEEDED)
        person.join(60)
        assert told_prompts(own) == ["Do it", "Hurry"]
        for run in claim(worker, 10):
            end(run, Outcome.SUCCEEDED)


def test_an_interrupted_job_is_not_tried_again(attempt, worker):
    assert steering.interrupt(attempt.job)
    assert not steering.interrupt(attempt.job)
    end(attempt, Outcome.LOST)
    assert job_of(attempt).status == JobStatus.CANCELLED


def test_one_that_was_interrupted_and_went_on_to_succeed_has_succeeded(attempt):
    steering.interrupt(attempt.job)
    end(attempt, Outcome.SUCCEEDED)
    assert job_of(attempt).status == JobStatus.COMPLETED


def test_nothing_of_a_draft_is_left_when_its_attempt_has_ended(attempt):
    store(attempt, Drafting("Half a sen"))
    assert JobDraft.objects.get().text == "Half a sen"
    end(attempt, Outcome.LOST)
    assert not JobDraft.objects.exists()


def test_a_question_that_was_answered_by_hand_is_told_its_answer(attempt, worker):
    ask(attempt, questions(DATABASE)).reply({"Which database?": "SQLite"})
    end(attempt, Outcome.PARKED)
    [again] = leases.claim(worker)
    [known] = again.facts.answered
    assert known.given["answers"] == {"Which database?": ["SQLite"]}
    assert JobAttempt.objects.count() == 2


# --- what a second time brings ------------------------------------------------------------


def test_words_that_no_agent_reads_are_prompts_however_often_it_happens(attempt, session, worker):
    for text in ("One", "Two"):
        steering.steer(attempt.job, text)
    end(attempt, Outcome.SUCCEEDED)
    [second] = claim(worker)
    steering.steer(second.job, "Three")
    end(second, Outcome.SUCCEEDED)
    assert told_prompts(session) == ["Do it", "One", "Two", "Three"]


def test_words_that_come_as_the_agent_ends_are_run_as_its_job_was(session, worker):
    job = queue.enqueue(session, "Do it", model="opus", approvals="deny")
    Job.objects.enqueue(session, "Later work")
    end(claim(worker)[0], Outcome.SUCCEEDED)
    own = steering.steer(job, "Hurry")
    assert told_prompts(session) == ["Do it", "Hurry", "Later work"]
    assert (own.model, own.options.approvals) == ("opus", "deny")


def test_a_parked_job_that_is_stopped_is_taken_by_no_worker_meanwhile(attempt, worker):
    request = ask(attempt, bash())
    end(attempt, Outcome.PARKED)
    request.deny(stop=True)
    assert job_of(attempt).status == JobStatus.CANCELLED
    assert leases.claim(worker) == []


def test_two_requests_that_are_both_answered_with_a_stop_interrupt_once(attempt):
    for request in (ask(attempt, bash("make")), ask(attempt, bash("make all"))):
        request.deny(stop=True)
    run = JobAttempt.objects.get()
    assert run.interrupt_requested_at is not None
    assert run.cancel_requested_at is None


# --- the conversation that asked ------------------------------------------------------------


def say(attempt, conversation: str, type: str = "assistant") -> None:
    said = NewMessage(attempt.session_id, "claude-code", type, "{}", conversation)
    assert leases.record([Record(attempt, said)], [])


def test_the_conversation_that_asked_goes_on_though_it_said_nothing_else(attempt, worker):
    say(attempt, "old")
    request = ask(attempt, bash())
    JobRequest.objects.update(provider_session_id="new")
    end(attempt, Outcome.PARKED)
    request.allow()
    [again] = leases.claim(worker)
    assert again.facts.conversation == "new"
    assert [each.pk for each in again.facts.answered] == [request.pk]


def test_an_earlier_conversation_that_goes_on_instead_gets_the_prompt_and_no_answers(
    attempt, worker
):
    request = ask(attempt, bash())
    JobRequest.objects.update(provider_session_id="lost")
    say(attempt, "old")
    end(attempt, Outcome.PARKED)
    request.allow()
    [again] = leases.claim(worker)
    assert again.facts.conversation == "old"
    assert not again.facts.answered
