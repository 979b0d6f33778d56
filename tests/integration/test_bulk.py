"""Many rows in few statements: none is left out, whatever their number, and values stay whole."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app import storage
from sessions_app.ids import new_id
from sessions_app.models import Session, SessionMessage

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

AWKWARD = 'tab\t newline\n back\\slash \\N quote\' "double" {braces} %s %% é \U0001f600 \u2028'
NAMES = ("id", "session_id", "provider", "type", "content_data", "token_count")


def insert_messages(session, contents: list[str]) -> None:
    rows = [(new_id(), session.pk, "claude-code", "assistant", text, None) for text in contents]
    storage.insert(SessionMessage, NAMES, rows, shared={"created_at": timezone.now()})


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
        storage.add(Session, ("message_count", "token_count"), ("updated_at",), rows)
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
    storage.update(Session, names, [(True, None, None, session.pk) for session in sessions])
    rows = Session.objects.values_list("is_working", "current_job_id", "context")
    assert set(rows) == {(True, None, None)}


def test_objects_of_a_few_columns_load_the_others_when_they_are_asked_for(session):
    session.metadata = {"branch": "main"}
    session.save()
    rows = storage.select("SELECT id, metadata FROM sessions WHERE id {in_keys}", [session.pk])
    (found,) = storage.instances(Session, ("id", "metadata"), rows)
    assert found == session
    assert found.metadata == {"branch": "main"}
    assert found.project_path == session.project_path


def test_what_is_written_together_is_there_after_the_block(session):
    with CaptureQueriesContext(connection) as queries, storage.together():
        insert_messages(session, ["one", "two"])
        storage.update(Session, ("is_working",), [(True, session.pk)])
        storage.call("abs(%s)", 1)
        if connection.vendor == "postgresql":
            assert len(queries) == 0
    session.refresh_from_db()
    assert (contents(session), session.is_working) == (["one", "two"], True)
    if connection.vendor == "postgresql":  # a worker that is frozen never holds half of it
        assert len(queries.captured_queries) == 1


def test_nothing_is_written_of_a_block_that_fails(session):
    with suppress(ZeroDivisionError), transaction.atomic(), storage.together():
        insert_messages(session, ["one"])
        raise ZeroDivisionError
    insert_messages(session, ["two"])
    assert contents(session) == ["two"]
