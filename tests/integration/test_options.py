"""What a session or a job wants otherwise than its host."""

import pytest
from django.core.exceptions import ValidationError

from jobs_app import leases, queue
from jobs_app.models import Job, JobOptions, SessionOptions

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def facts(worker):
    [claimed] = leases.claim(worker, 1)
    return claimed.facts


def test_the_job_decides_then_the_session_then_the_host(session, worker):
    Job.objects.enqueue(session, "Do it")
    assert facts(worker).approvals is None


def test_a_session_may_differ_from_its_host(session, worker):
    SessionOptions.objects.keep(session, approvals="deny", model="opus", effort="high")
    Job.objects.enqueue(session, "Do it")
    found = facts(worker)
    assert (found.approvals, found.model, found.effort) == ("deny", "opus", "high")


def test_a_job_may_differ_from_its_session(session, worker):
    SessionOptions.objects.keep(session, approvals="ask")
    Job.objects.enqueue(session, "Do it", approvals="deny")
    assert facts(worker).approvals == "deny"


def test_a_session_that_wants_nothing_of_its_own_has_no_row(session):
    SessionOptions.objects.keep(session, approvals="deny")
    SessionOptions.objects.keep(session, approvals="", model=None)
    assert not SessionOptions.objects.exists()


def test_an_edited_job_keeps_what_the_editor_says(session):
    job = Job.objects.enqueue(session, "Do it", approvals="deny")
    queue.edit(job, prompt="Do it", approvals="ask")
    assert JobOptions.objects.get().approvals == "ask"
    queue.edit(job, prompt="Do it")
    assert JobOptions.objects.get().approvals is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"approvals": "bypass"}, "'bypass' is not a choice: use ask or deny"),
        ({"model": "--settings=x"}, "is not a model name"),
        ({"effort": "high --x"}, "is not an effort"),
    ],
)
def test_options_that_cannot_be_are_refused(session, wrong, sentence):
    with pytest.raises(ValidationError, match=sentence):
        SessionOptions.objects.keep(session, **wrong)
    assert not SessionOptions.objects.exists()


def test_a_prompt_with_wrong_approvals_is_not_queued(session):
    with pytest.raises(ValidationError, match="use ask or deny"):
        Job.objects.enqueue(session, "Do it", approvals="always")
    assert not Job.objects.exists()
