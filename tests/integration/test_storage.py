"""Many rows in few statements: none is left out, whatever their number, and values stay whole."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.ids import new_id
from sessions_app.models import Session, SessionMessage
from sessions_app.storage import Batch, transaction_without_wait

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

AWKWARD = 'tab\t newline\n back\\slash \\N quote\' "double" {braces} %s %% é \U0001f600 \u2028'
NAMES = ("id", "session_id", "provider", "type", "content_data", "token_count", "created_at")


def insert_messages(session, contents: list[str], batch: Batch | None = None) -> None:
    now, batch = timezone.now(), batch or Batch()
    kind = ("claude-code", "assistant")
    batch.insert(
        SessionMessage, NAMES, [(new_id(), session.pk, *kind, text, None, now) for text in contents]
    )
    with transaction.atomic():
        batch.write()


def update(model, names, rows, added=()) -> None:
    batch = Batch()
    batch.update(model, names, rows, added=added)
    batch.write()


def contents(session) -> list[str]:
    return list(session.messages.in_order().values_list("content_data", flat=True))


@pytest.mark.parametrize("count", [0, 1, 3, 15, 16, 17, 341, 600])
def test_as_many_rows_are_inserted_as_there_are_in_their_order(session, count):
    insert_messages(session, [str(number) for number in range(count)])
    assert contents(session) == [str(number) for number in range(count)]


@pytest.mark.parametrize("count", [1, 20])
def test_a_text_comes_back_as_it_was_whichever_way_it_went_in(session, count):
    insert_messages(session, [AWKWARD] * count)
    assert contents(session) == [AWKWARD] * count


@pytest.mark.parametrize("count", [1, 2, 70])
def test_each_row_gets_its_own_values_and_sums_are_added(make_session, count):
    sessions = [make_session() for _ in range(count + 1)]
    untouched = sessions.pop()
    now = timezone.now()
    rows = [(number, 2**40, now, session.pk) for number, session in enumerate(sessions)]
    for _ in range(2):
        update(Session, ("updated_at",), rows, added=("message_count", "token_count"))
    for number, session in enumerate(sessions):
        session.refresh_from_db()
        assert session.message_count == 2 * number
        assert session.token_count == 2**41
        assert abs(session.updated_at - now) < timedelta(milliseconds=1)
    untouched.refresh_from_db()
    assert untouched.message_count == 0


@pytest.mark.parametrize("count", [1, 70])
def test_a_value_can_become_null_in_some_rows_or_in_all(make_session, count):
    sessions = [make_session(context="Known.") for _ in range(count)]
    names = ("is_working", "current_job_id", "context")
    update(Session, names, [(True, None, None, session.pk) for session in sessions])
    rows = Session.objects.values_list("is_working", "current_job_id", "context")
    assert set(rows) == {(True, None, None)}


def test_a_batch_writes_nothing_before_it_is_told_to_and_then_all_at_once(session):
    batch = Batch()
    batch.update(Session, ("is_working",), [(True, session.pk)])
    row = (new_id(), session.pk, "claude-code", "assistant", "one", None, timezone.now())
    batch.insert(SessionMessage, NAMES, [row])
    assert contents(session) == []
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        batch.write()
    session.refresh_from_db()
    assert (contents(session), session.is_working) == (["one"], True)
    if connection.vendor == "postgresql":  # a worker that is frozen never holds half of it
        assert len(queries.captured_queries) == 1


@pytest.mark.parametrize("mode", [1, 2])
def test_a_transaction_that_does_not_wait_leaves_the_connection_as_it_was(session, mode):
    """SQLite's `synchronous`, as somebody may have configured it; PostgreSQL's own setting."""
    with connection.cursor() as cursor:
        ask, told = "SHOW synchronous_commit", ("on",)
        if connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA synchronous = {mode}")
            ask, told = "PRAGMA synchronous", (mode,)
        with suppress(ZeroDivisionError), transaction_without_wait() as batch:
            insert_messages(session, ["never"], batch)
            raise ZeroDivisionError
        with transaction_without_wait() as batch:
            insert_messages(session, ["one"], batch)
        cursor.execute(ask)
        assert cursor.fetchone() == told
    assert contents(session) == ["one"]
