"""Numbers come back as they went in, or are refused: none is ever cut to fit."""

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, connection, transaction
from django.db.models import F, Sum, Value

from jobs_app import queue
from jobs_app.models import Job, JobAttempt, Worker
from sessions_app import transcript
from sessions_app.models import Session, SessionMessage
from sessions_app.transcript import NewMessage
from tests.integration.admin_pages import errors, url

pytestmark = [pytest.mark.queue, pytest.mark.django_db]

MANY = 3_000_000_000
MOST = 2**31 - 1
TOLD = "must be from -2147483648 to 2147483647"


def message(session, tokens=None) -> SessionMessage:
    event = NewMessage(session.pk, session.provider, "user", '{"type": "user"}', token_count=tokens)
    return transcript.append([event])[0]


def counted(session) -> int:
    session.refresh_from_db()
    return session.token_count


def test_a_counter_passes_two_billion_on_every_way(session):
    session.token_count = session.message_count = MANY
    session.save()
    assert (counted(session), session.message_count) == (MANY, MANY)
    Session.objects.update(token_count=F("token_count") + MANY)
    assert counted(session) == 2 * MANY
    Session.objects.update(token_count=2**62)
    assert counted(session) == 2**62
    session.token_count = MANY
    Session.objects.bulk_update([session], ["token_count"])
    assert Session.objects.get(token_count__in=[MANY, 1]) == session
    assert Session.objects.values_list(Value(MANY)).get() == (MANY,)


def test_a_recount_passes_two_billion(session):
    for _ in range(3):
        message(session, MOST)
    total = SessionMessage.objects.aggregate(total=Sum("token_count"))["total"]
    assert (counted(session), total) == (3 * MOST, 3 * MOST)
    Session.objects.update(token_count=total)
    assert counted(session) == 3 * MOST


@pytest.mark.parametrize("number", [MANY, -MANY, 10**30])
def test_no_row_is_saved_with_a_number_that_does_not_fit(session, worker, number):
    job = queue.enqueue(session, "Look")
    attempt = JobAttempt(job=job, session=session, number=1, worker_id="w", host="h")
    for row, name in [
        (message(session), "token_count"),
        (job, "attempts"),
        (job, "max_attempts"),
        (attempt, "number"),
        (attempt, "pid"),
        (attempt, "exit_code"),
        (worker, "pid"),
        (worker, "concurrency"),
    ]:
        before = getattr(row, name)
        setattr(row, name, number)
        with pytest.raises(ValidationError, match=TOLD), transaction.atomic():
            row.save()
        with pytest.raises(ValidationError, match="Ensure this value is"):
            row.clean_fields()
        setattr(row, name, before)
    assert not JobAttempt.objects.exists()
    assert Worker.objects.get().pid == worker.pid


def test_postgresql_refuses_what_goes_past_the_model(session):
    row = message(session, 5)
    if connection.vendor == "postgresql":
        with pytest.raises(DataError), transaction.atomic():
            SessionMessage.objects.update(token_count=MANY)
        with pytest.raises(DataError), transaction.atomic():
            SessionMessage.objects.update(token_count=F("token_count") + MANY)
        with pytest.raises(DataError), transaction.atomic():
            Session.objects.update(token_count=2**64)
    row.refresh_from_db()
    assert row.token_count == 5


@pytest.mark.parametrize("number", ["3000000000", "-1", "-3000000000", "1e999", "9" * 60])
def test_a_form_refuses_a_number_that_no_row_can_hold(admin_client, session, number):
    fields = {"session": session.pk, "type": "user", "content_data": "{}", "token_count": number}
    assert errors(admin_client.post(url(SessionMessage, "add"), fields))
    page = url(SessionMessage, "change", message(session, 5).pk)
    assert errors(admin_client.post(page, fields))
    assert list(SessionMessage.objects.values_list("token_count")) == [(5,)]
    fields = {"session": session.pk, "prompt": "Look", "max_attempts": number}
    assert errors(admin_client.post(url(Job, "add"), fields))
    assert not Job.objects.exists()
