"""The stream of a session's page: what it sends, whom it serves, and when it ends."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections
from django.test import AsyncClient
from django.urls import reverse

from jobs_app.models import Job
from pokecode_site.pages import live
from sessions_app import changes, transcript
from sessions_app.models import Session
from sessions_app.providers import events
from sessions_app.transcript import NewMessage

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def viewer(client, django_user_model):
    """A person who may see sessions, read their messages and prompts, and nothing else."""
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create_user("viewer", password="pw", is_staff=True)
    codenames = ["view_session", "view_sessionmessage", "view_job"]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def reading():
    from django.contrib.auth.models import Permission

    return list(Permission.objects.filter(codename__in=["view_sessionmessage", "view_job"]))


@pytest.fixture
def browser(viewer):
    browser = AsyncClient()
    browser.force_login(viewer)
    return browser


@pytest.fixture
def impatient(monkeypatch):
    """Checks the login at every look, not only every 15 seconds."""
    monkeypatch.setattr(live, "KEEP_ALIVE", 0.05)


def address(session):
    return reverse("admin:sessions_app_session_events", args=[session.pk])


def say(session, text, message_id=None):
    line = events.prompt(text, "")
    message = NewMessage(session.pk, session.provider, "user", line.raw, id=message_id)
    return transcript.append([message])[0]


@asynccontextmanager
async def opened(browser, session, **headers):
    """The events of a stream, each as (id, data), heartbeats left out."""
    response = await browser.get(address(session), headers=headers)
    assert response.status_code == 200, response.content
    chunks = aiter(response.streaming_content)

    async def parsed():
        async for chunk in chunks:
            fields = dict(line.split(": ", 1) for line in chunk.decode().split("\n") if line)
            if "data" in fields:
                yield fields.get("id"), json.loads(fields["data"])

    stream = parsed()
    try:
        yield stream
    finally:
        await stream.aclose()
        await chunks.aclose()
        await sync_to_async(response.close)()  # as a server does when its visitor has gone
        await sync_to_async(connections.close_all)()


async def next_event(stream):
    return await asyncio.wait_for(anext(stream), 10)


async def in_database(work, *arguments):
    def run():
        try:
            return work(*arguments)
        finally:
            close_old_connections()

    return await asyncio.to_thread(run)


async def ends(stream):
    async def exhaust():
        async for _ in stream:
            pass

    await asyncio.wait_for(exhaust(), 10)
    return True


@pytest.mark.asyncio
async def test_a_new_message_arrives_with_its_id(session, browser):
    async with opened(browser, session) as stream:
        await next_event(stream)
        row = await in_database(say, session, "Hello there.")
        event_id, data = await next_event(stream)
        assert event_id == row.pk
        assert "Hello there." in data["entries"][0]["html"]
        assert "1" in data["fragments"]["session-status"]


@pytest.mark.asyncio
async def test_what_a_visitor_may_not_read_is_not_sent(session, browser, viewer):
    await in_database(viewer.user_permissions.remove, *await in_database(reading))
    row = await in_database(say, session, "A secret.")
    await in_database(Job.objects.enqueue, session, "Another secret.")
    async with opened(browser, session) as stream:
        event_id, data = await next_event(stream)
        assert (event_id, data["entries"]) == (None, [])
        assert "secret" not in str(data["fragments"])
    async with opened(browser, session, last_event_id=row.pk[:-1]) as stream:
        assert "secret" not in str(await next_event(stream))


@pytest.mark.asyncio
async def test_a_browser_that_comes_back_gets_exactly_what_it_missed(session, browser):
    rows = [await in_database(say, session, f"number {n}.") for n in range(4)]
    async with opened(browser, session, last_event_id=rows[1].pk) as stream:
        event_id, data = await next_event(stream)
        assert [entry["id"] for entry in data["entries"]] == [f"m-{row.pk}" for row in rows[2:]]
        assert event_id == rows[3].pk


@pytest.mark.asyncio
async def test_a_browser_that_missed_many_pages_waits_for_no_new_commit(
    session, browser, monkeypatch
):
    monkeypatch.setattr("sessions_app.display.rendering.PAGE", 2)
    monkeypatch.setattr(changes.Bell.wait, "__defaults__", (60,))
    rows = [await in_database(say, session, f"number {n}.") for n in range(8)]
    async with opened(browser, session, last_event_id=rows[0].pk) as stream:
        events = [await next_event(stream) for _ in range(4)]
        assert [event_id for event_id, _ in events] == [rows[n].pk for n in (2, 4, 6, 7)]


@pytest.mark.asyncio
async def test_a_result_that_comes_later_is_sent_inside_its_call(session, browser):
    use = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "file.txt"}
    called = await in_database(claude, session, "assistant", use)
    async with opened(browser, session, last_event_id=called.pk) as stream:
        await next_event(stream)
        await in_database(claude, session, "user", result)
        _, data = await next_event(stream)
        (entry,) = data["entries"]
        assert entry["id"] == f"m-{called.pk}"
        assert "file.txt" in entry["html"]


def claude(session, role, block):
    content = {"type": role, "message": {"role": role, "content": [block]}, "session_id": "s"}
    message = NewMessage(session.pk, session.provider, role, json.dumps(content))
    return transcript.append([message])[0]


@pytest.mark.asyncio
async def test_a_queued_job_shows_without_a_message(session, browser):
    async with opened(browser, session) as stream:
        await next_event(stream)
        await in_database(Job.objects.enqueue, session, "Look around.")
        _, data = await next_event(stream)
        assert "Look around." in data["fragments"]["session-jobs"]
        assert data["entries"] == []


@pytest.mark.asyncio
async def test_line_breaks_in_ids_and_texts_make_no_event_of_their_own(session, browser):
    await in_database(say, session, "a\r\nevent: x\rdata: y\n\n", "a\revent: x")
    response = await browser.get(address(session))
    chunks = aiter(response.streaming_content)
    while not (chunk := (await anext(chunks)).decode()).startswith(("data", "id")):
        pass
    await chunks.aclose()
    await sync_to_async(connections.close_all)()
    assert "\r" not in chunk
    assert chunk.count("\n") == 2 and chunk.endswith("\n\n")
    assert chunk.startswith("data: ")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"is_active": False}, id="disabled"),
        pytest.param({"is_staff": False}, id="no longer staff"),
        pytest.param({"password": "!other"}, id="password changed"),
    ],
)
async def test_the_stream_ends_when_the_visitor_may_no_longer_look(
    session, browser, viewer, impatient, change
):
    async with opened(browser, session) as stream:
        await next_event(stream)
        await in_database(lambda: type(viewer).objects.update(**change))
        assert await ends(stream)


@pytest.mark.asyncio
async def test_the_stream_ends_with_the_login_and_with_the_permission(
    session, browser, viewer, impatient
):
    async with opened(browser, session) as stream:
        await next_event(stream)
        await in_database(viewer.user_permissions.clear)
        assert await ends(stream)


@pytest.mark.asyncio
async def test_the_stream_ends_when_the_session_is_deleted(session, browser):
    async with opened(browser, session) as stream:
        await next_event(stream)
        await in_database(Session.objects.filter(pk=session.pk).delete)
        assert await ends(stream)


@pytest.mark.asyncio
async def test_streams_end_at_once_when_the_server_stops(session, browser):
    async with opened(browser, session) as stream:
        await next_event(stream)
        live.end_streams()
        assert await ends(stream)


@pytest.mark.asyncio
async def test_one_stream_too_many_is_refused_and_a_closed_one_makes_room(
    session, browser, monkeypatch
):
    monkeypatch.setattr(live, "STREAMS_PER_USER", 1)
    async with opened(browser, session) as stream:
        await next_event(stream)
        refused = await browser.get(address(session))
        assert refused.status_code == 429
        assert "close some tabs" in refused.content.decode()
    assert (await browser.get(address(session))).status_code == 200


@pytest.mark.asyncio
async def test_all_streams_of_a_loop_share_one_watcher(session, browser):
    async with opened(browser, session) as one, opened(browser, session) as other:
        await next_event(one)
        await next_event(other)
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert names.count("live pages") == 1


def test_a_synchronous_server_is_told_not_to_ask_again(session, client, viewer):
    client.force_login(viewer)
    assert client.get(address(session)).status_code == 204


def test_the_stream_is_only_for_those_who_may_see_the_session(session, client, django_user_model):
    assert client.get(address(session)).status_code == 302
    client.force_login(django_user_model.objects.create_user("staff", is_staff=True))
    assert client.get(address(session)).status_code == 403
