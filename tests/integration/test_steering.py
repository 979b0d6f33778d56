"""Telling a running agent something, and stopping its turn, from the shell."""

import pytest
from django.core.exceptions import ValidationError

from jobs_app.models import Job, JobAttempt, JobSteer
from jobs_app.outcomes import Outcome
from jobs_app.who import this_user
from sessions_app.models import Session
from tests.leasing import end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def test_a_word_waits_for_the_agent_that_runs(attempt):
    told = attempt.job.steer("Use tabs.")
    assert isinstance(told, JobSteer)
    assert (told.text, told.told_by, told.sent_at) == ("Use tabs.", this_user(), None)
    assert Job.objects.count() == 1


def test_after_the_end_it_is_a_prompt_of_its_own(attempt):
    end(attempt, Outcome.SUCCEEDED)
    own = attempt.job.steer("Use tabs.")
    assert isinstance(own, Job)
    assert (own.prompt, own.status) == ("Use tabs.", "pending")


def test_what_is_told_and_not_read_before_the_end_is_a_prompt_of_its_own(attempt):
    told = attempt.job.steer("Use tabs.")
    end(attempt, Outcome.SUCCEEDED)
    told.refresh_from_db()
    assert Job.objects.get(pk=told.own_job_id).prompt == "Use tabs."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The prompt is empty"),
        ("a\x00b", "holds a NUL"),
        ("\ud800", "not valid UTF-8"),
        ("x" * (4 * 1024 * 1024 + 1), "over 4 MiB"),
        (None, "must be text"),
    ],
)
def test_words_that_cannot_be_are_refused(attempt, text, sentence):
    with pytest.raises(ValidationError, match=sentence):
        attempt.job.steer(text)
    assert not JobSteer.objects.exists()


def test_an_archived_session_takes_no_words(attempt):
    end(attempt, Outcome.SUCCEEDED)
    Session.objects.update(state="inactive")
    with pytest.raises(ValidationError, match="archived"):
        attempt.job.steer("Use tabs.")
    assert not JobSteer.objects.exists()


def test_a_turn_is_stopped_once_and_only_while_it_runs(attempt):
    job = attempt.job
    assert [job.interrupt(), job.interrupt()] == [True, False]
    assert JobAttempt.objects.get().interrupt_requested_at is not None
    end(attempt, Outcome.SUCCEEDED)
    assert not job.interrupt()
