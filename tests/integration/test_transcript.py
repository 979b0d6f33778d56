"""Messages and their counters: right after every insertion, change and removal."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from django.db import connection, transaction

from sessions_app import ids, transcript
from sessions_app.models import SessionMessage
from sessions_app.storage import Batch
from sessions_app.transcript import NewMessage

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def message(session, text="{}", **columns) -> NewMessage:
    defaults = {"provider": session.provider, "type": "assistant", "content": text}
    return NewMessage(session_id=session.pk, **{**defaults, **columns})


def counters(session) -> tuple[int, int]:
    session.refresh_from_db()
    return session.message_count, session.token_count


def test_messages_are_read_in_the_order_they_were_appended(session):
    for batch in range(5):
        transcript.append([message(session, f'{{"n": {batch * 20 + n}}}') for n in range(20)])
    texts = [row.content_data for row in transcript.after(session.pk)]
    assert texts == [f'{{"n": {number}}}' for number in range(100)]


def test_order_survives_a_clock_that_was_set_back(session):
    far_future = "ffffffff-0000-7000-8000-000000000000"
    transcript.append([message(session, "1", id=far_future)])
    transcript.append([message(session, "2"), message(session, "3")])
    assert [row.content_data for row in transcript.after(session.pk)] == ["1", "2", "3"]


def test_ids_increase_within_a_process():
    made = [ids.new_id() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_appending_counts_messages_and_tokens(session):
    transcript.append([message(session, token_count=5), message(session), message(session)])
    transcript.append([message(session, token_count=7)])
    assert counters(session) == (4, 12)


def test_editing_a_message_moves_its_tokens(session):
    (row,) = transcript.append([message(session, token_count=5)])
    row.token_count = 9
    row.content_data = '{"edited": true}'
    transcript.edit(row)
    assert counters(session) == (1, 9)
    assert SessionMessage.objects.get().content_data == '{"edited": true}'


def test_moving_a_message_to_another_session_moves_its_counts(session, make_session):
    other = make_session("other")
    (row,) = transcript.append([message(session, token_count=5)])
    row.session = other
    transcript.edit(row)
    assert counters(session) == (0, 0)
    assert counters(other) == (1, 5)


def test_removing_messages_takes_them_off_the_counters(session):
    rows = transcript.append([message(session, token_count=n) for n in (1, 2, 3)])
    assert transcript.remove(rows[:2]) == 2
    assert transcript.remove(rows[:2]) == 0
    assert counters(session) == (1, 3)


def test_the_next_messages_come_without_gaps(session):
    rows = transcript.append([message(session, str(n)) for n in range(10)])
    assert transcript.after(session.pk, rows[3].pk, limit=3) == rows[4:7]
    assert transcript.after(session.pk, rows[6].pk) == rows[7:]


def test_opening_a_session_changes_only_when_it_was_accessed(session):
    before = (session.last_accessed_at, session.updated_at)
    session.touch()
    session.refresh_from_db()
    assert session.last_accessed_at > before[0]
    assert session.updated_at == before[1]


def test_a_session_counts_more_tokens_than_32_bits_hold(session):
    for _ in range(3):
        transcript.append([message(session, token_count=2**31 - 1)])
    assert counters(session) == (3, 3 * (2**31 - 1))


def test_a_message_appears_after_all_those_with_smaller_ids(session):
    """A page reads on from the last id that it has seen, and would miss a smaller one."""
    with ThreadPoolExecutor() as other, transaction.atomic():
        batch = Batch()
        transcript.store([message(session, "ours")], batch)
        seen = other.submit(append_and_read, message(session, "theirs"))
        wait({seen}, timeout=0.3)  # it must not get ahead while ours is being stored
        batch.write()
    assert seen.result() == ["ours", "theirs"]


def append_and_read(new: NewMessage) -> list[str]:
    try:
        transcript.append([new])
        return [row.content_data for row in transcript.after(new.session_id)]
    finally:
        connection.close()
