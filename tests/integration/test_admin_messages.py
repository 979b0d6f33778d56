"""Messages in the admin: the counters of their session stay right, whatever is done."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app import transcript
from sessions_app.admin import base
from sessions_app.display.html import SHOWN_LIMIT
from sessions_app.models import Session, SessionMessage
from sessions_app.transcript import NewMessage
from tests.integration.admin_pages import (
    act,
    confirm,
    errors,
    inputs,
    said,
    staff,
    text,
    typed,
    url,
)


@pytest.fixture
def messages(session):
    """Three messages of 10, 20 and 30 tokens."""
    return add(session, *[prompt(f"Prompt {number}") for number in (1, 2, 3)], tokens=(10, 20, 30))


def add(session, *contents, tokens=()):
    counts = [*tokens, *[None] * len(contents)]
    lines = [
        NewMessage(session.pk, session.provider, "user", content, token_count=count)
        for content, count in zip(contents, counts, strict=False)
    ]
    return transcript.append(lines)


def prompt(words):
    return json.dumps({"type": "user", "message": {"role": "user", "content": words}})


def counters(session):
    row = Session.objects.get(pk=session.pk)
    return row.message_count, row.token_count


def form(message, **changes):
    return {
        "type": message.type,
        "content_data": message.content_data,
        "provider_session_id": "",
        "token_count": message.token_count or "",
        **changes,
    }


def test_the_second_of_two_who_edit_one_message_is_told(admin_client, session, messages):
    address = url(SessionMessage, "change", messages[0].pk)
    second_sends = typed(admin_client, messages[0], token_count="99")
    admin_client.post(address, typed(admin_client, messages[0], content_data=prompt("First")))
    page = admin_client.post(address, second_sends)
    assert "admin</bdi> changed this at" in errors(page)
    assert inputs(page)["token_count"] == "99"
    assert SessionMessage.objects.get(pk=messages[0].pk).content_data == prompt("First")
    assert counters(session) == (3, 60)


def test_adding_a_message_counts_it_and_places_it_last(admin_client, session, messages):
    fields = {"session": session.pk, "type": "assistant", "token_count": "5"}
    fields |= {"content_data": '{"type": "assistant"}', "provider_session_id": ""}
    response = admin_client.post(url(SessionMessage, "add"), fields)
    assert response.status_code == 302
    assert counters(session) == (4, 65)
    last = SessionMessage.objects.in_order().last()
    assert (last.type, last.provider) == ("assistant", "claude-code")
    assert last.provider_session_id is None


def test_editing_a_message_moves_the_token_count(admin_client, session, messages):
    change = form(messages[1], token_count="25", content_data=prompt("Changed"))
    admin_client.post(url(SessionMessage, "change", messages[1].pk), change)
    assert counters(session) == (3, 65)
    assert "Changed" in SessionMessage.objects.get(pk=messages[1].pk).content_data


def test_a_message_stays_in_its_session_whatever_is_posted(admin_client, make_session):
    session, other = make_session("one"), make_session("other")
    [message] = add(session, prompt("Mine"))
    forged = form(message, session=other.pk, provider="codex-cli", id="other")
    admin_client.post(url(SessionMessage, "change", message.pk), forged)
    message.refresh_from_db()
    assert (message.session_id, message.provider) == (session.pk, "claude-code")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"content_data": "not JSON"}, "must be a JSON object"),
        ({"content_data": "[1]"}, "must be a JSON object"),
        ({"content_data": "[" * 100_000}, "must be a JSON object"),
        ({"token_count": "-1"}, "0 or more"),
        ({"type": "poem"}, "Select a valid choice"),
    ],
)
def test_what_is_no_event_is_refused(admin_client, session, messages, changes, complaint):
    page = url(SessionMessage, "change", messages[0].pk)
    assert complaint in errors(admin_client.post(page, form(messages[0], **changes)))
    assert counters(session) == (3, 60)


def test_deleting_one_message_counts_it_out(admin_client, session, messages):
    admin_client.post(url(SessionMessage, "delete", messages[0].pk), {"post": "yes"})
    assert counters(session) == (2, 50)


def test_deleting_many_messages_counts_them_out(admin_client, session, messages):
    response = confirm(admin_client, SessionMessage, messages[1:])
    assert said(response) == ["Successfully deleted 2 messages."]
    assert counters(session) == (1, 10)


def test_the_raw_event_shows_indented_and_escaped(admin_client, session):
    [message] = add(session, '{"a": {"b": "<script>alert(1)</script>\u202egnp"}}')
    page = admin_client.get(url(SessionMessage, "change", message.pk))
    assert '{\n  "a": {\n    "b": "<script>alert(1)</script><U+202E>gnp"' in text(page)
    assert "<script>alert" not in page.content.decode()


@pytest.mark.parametrize("raw", ["no JSON", "[1, 2]", "[" * 5000, '{"a": "\\ud800"}', "{}"])
def test_any_content_has_a_page(admin_client, session, raw):
    [message] = add(session, raw)
    page = admin_client.get(url(SessionMessage, "change", message.pk))
    assert page.status_code == 200
    assert admin_client.get(url(SessionMessage)).status_code == 200


def test_deep_nesting_is_not_blown_up_by_its_indentation(admin_client, session):
    deep = '{"a":' * 300 + "[" + "1," * 20_000 + "1]" + "}" * 300
    [message] = add(session, deep)
    page = admin_client.get(url(SessionMessage, "change", message.pk))
    assert len(page.content) < 10 * SHOWN_LIMIT


def test_a_giant_event_is_cut_on_its_page_and_whole_in_its_download(admin_client, session):
    giant = json.dumps({"text": "x" * 10_000_000})
    [message] = add(session, giant)
    page = admin_client.get(url(SessionMessage, "change", message.pk))
    assert f"The first 100,000 of {len(giant):,} characters are shown." in text(page)
    assert len(page.content) < 3 * SHOWN_LIMIT
    assert "content_data" not in page.context["adminform"].form.fields
    download = admin_client.get(url(SessionMessage, "raw", message.pk))
    assert download.content.decode() == giant
    assert download["Content-Disposition"] == f'attachment; filename="{message.pk}.json"'
    assert download["X-Content-Type-Options"] == "nosniff"


def test_a_giant_event_keeps_its_content_when_something_else_is_edited(admin_client, session):
    giant = json.dumps({"text": "x" * SHOWN_LIMIT})
    [message] = add(session, giant)
    page = url(SessionMessage, "change", message.pk)
    admin_client.post(page, form(message, token_count="3", content_data="{}"))
    message.refresh_from_db()
    assert (message.content_data, message.token_count) == (giant, 3)


def test_a_list_of_giant_events_stays_small(admin_client, session):
    add(session, *[json.dumps({"text": "x" * 200_000})] * 20)
    assert len(admin_client.get(url(SessionMessage)).content) < 200_000


def test_the_list_shows_the_words_of_each_message(admin_client, messages):
    page = text(admin_client.get(url(SessionMessage)))
    assert all(f"Prompt {number}" in page for number in (1, 2, 3))


def test_the_list_takes_no_more_queries_for_more_messages(admin_client, session, messages):
    def count():
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(url(SessionMessage))
        return len(queries)

    few = count()
    add(session, *[prompt(f"More {number}") for number in range(30)])
    assert count() == few <= 10


def test_messages_are_found_by_session_and_by_words(admin_client, make_session):
    one, two = make_session("one"), make_session("two")
    [wanted] = add(one, prompt("heron"))
    add(two, prompt("pelican"))
    for query in ({"session": one.pk}, {"q": "heron"}):
        shown = admin_client.get(url(SessionMessage), query).context["cl"].result_list
        assert [row.pk for row in shown] == [wanted.pk]
    assert not admin_client.get(url(SessionMessage), {"session": "x"}).context["cl"].result_list


def test_a_long_list_counts_no_further_than_it_says(admin_client, session, messages, monkeypatch):
    monkeypatch.setattr(base, "COUNT_LIMIT", 2)
    page = admin_client.get(url(SessionMessage))
    assert "2 messages" in " ".join(text(page).split())
    assert "only the first 2 are counted" in text(page)


def test_an_action_on_more_rows_than_can_be_confirmed_is_refused(
    admin_client, session, messages, monkeypatch
):
    monkeypatch.setattr(base, "ACTION_LIMIT", 2)
    response = act(
        admin_client, SessionMessage, "delete_selected", messages[:1], select_across="1", post="yes"
    )
    assert said(response) == [
        "More than 2 rows are selected: choose fewer with a filter or a search, then act on those."
    ]
    assert counters(session) == (3, 60)


def test_who_may_only_look_gets_no_field_to_edit(session, messages):
    client = staff("sessions_app.view_sessionmessage")
    page = client.get(url(SessionMessage, "change", messages[0].pk))
    assert page.status_code == 200
    assert "<textarea" not in page.content.decode()
    assert client.get(url(SessionMessage, "raw", messages[0].pk)).status_code == 200
    stranger = staff("sessions_app.view_session")
    assert stranger.get(url(SessionMessage, "raw", messages[0].pk)).status_code == 403
