"""What an agent is writing: stored as it grows, gone with its message or its run, shown live."""

import asyncio

import pytest

from jobs_app import leases
from jobs_app.leases import Ending, Record
from jobs_app.models import JobDraft
from jobs_app.outcomes import CANCELLED, INTERRUPTED, LOST, PARKED, Outcome, Verdict
from jobs_app.talk import Drafting
from jobs_app.worker import drafts as worker_drafts
from jobs_app.worker.drafts import Drafts
from pokecode_site.pages import drafts
from sessions_app import changes
from tests.integration.test_live import (
    browser,  # noqa: F401 - a fixture
    in_database,
    next_event,
    opened,
    reading,
    viewer,  # noqa: F401 - a fixture
)
from tests.integration.test_recorder import message, record, stored

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def write(attempt, text, start=0):
    leases.record([Record(attempt, Drafting(text, start))], [])


def say(attempt, text):
    """The message comes, and with it the end of what was being written."""
    said = message(attempt, f'{{"type": "assistant", "message": {{"content": "{text}"}}}}')
    leases.record([Record(attempt, said), Record(attempt, Drafting(""))], [])


def shown(attempt):
    return drafts.of_session(attempt.session_id).text


# --- stored ------------------------------------------------------------------


def test_a_draft_grows_and_goes_with_its_message(attempt):
    write(attempt, "The ans")
    write(attempt, "The answer")
    assert shown(attempt) == "The answer"
    say(attempt, "The answer.")
    assert not JobDraft.objects.exists()
    assert len(stored(attempt)) == 1


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(Outcome.SUCCEEDED),
        Verdict(Outcome.FAILED, "No."),
        Verdict(Outcome.FAILED, "No.", permanent=True),
        CANCELLED,
        INTERRUPTED,
        PARKED,
        LOST,
    ],
    ids=str,
)
def test_nothing_is_left_of_it_however_the_run_ends(attempt, verdict):
    write(attempt, "Half a sen")
    leases.record([Record(attempt, Ending(verdict))], [])
    assert not JobDraft.objects.exists()


def test_nothing_is_left_of_one_that_comes_with_the_end(attempt):
    late = Record(attempt, Drafting("Half a sen"))
    leases.record([Record(attempt, Ending(Verdict(Outcome.FAILED, "No."))), late], [])
    write(attempt, "even later")
    assert not JobDraft.objects.exists()


def test_nothing_is_left_of_it_when_the_worker_dies(attempt):
    write(attempt, "Half a sen")
    leases.rescue(attempt)
    assert not JobDraft.objects.exists()


def test_only_the_newest_draft_is_stored_and_never_before_earlier_messages(attempt):
    seen = []

    async def use(writer):
        for number in range(5000):
            writer.add(attempt, message(attempt, str(number)))
            writer.draft(attempt, Drafting(f"draft {number}"), is_first=number == 0)
        while not await in_database(shown, attempt):
            await asyncio.sleep(0.001)
        seen.append((await in_database(shown, attempt), len(await in_database(stored, attempt))))

    record(use)
    assert seen == [("draft 4999", 5000)]


# --- as it grows -------------------------------------------------------------


def grown(use, interval, monkeypatch):
    """What is passed on of the pieces that `use` adds."""
    passed = []
    monkeypatch.setattr(worker_drafts, "INTERVAL", interval)

    async def main():
        await use(Drafts(lambda draft, is_first: passed.append((draft, is_first))), passed)

    asyncio.run(main())
    return passed


def test_the_first_words_are_passed_on_at_once_and_the_next_after_a_while(monkeypatch):
    async def use(draft, passed):
        for word in ("one ", "two ", "three "):
            draft.add(word)

    assert grown(use, 3600, monkeypatch) == [(Drafting("one "), True)]


def test_what_was_held_back_follows_together(monkeypatch):
    async def use(draft, passed):
        for word in ("one ", "two ", "three "):
            draft.add(word)
        while len(passed) < 2:
            await asyncio.sleep(0)
        draft.end()
        draft.add("next")
        while len(passed) < 4:
            await asyncio.sleep(0)

    assert grown(use, 0.001, monkeypatch) == [
        (Drafting("one "), True),
        (Drafting("one two three "), False),
        (Drafting(""), False),
        (Drafting("next"), True),
    ]


def test_of_a_long_text_the_end_is_passed_on_and_where_it_begins(monkeypatch):
    monkeypatch.setattr(worker_drafts, "LIMIT", 5)

    async def use(draft, passed):
        draft.add("1234")
        draft.add("567")
        while len(passed) < 2:
            await asyncio.sleep(0)

    assert grown(use, 0.001, monkeypatch)[1] == (Drafting("34567", 2), False)


# --- on a page ---------------------------------------------------------------


async def draft_event(stream):
    """The next event that tells of a draft."""
    while True:
        _, data = await next_event(stream)
        if data["draft"]:
            return data


@pytest.mark.asyncio
async def test_an_open_page_gets_only_what_is_new(attempt, browser):  # noqa: F811
    async with opened(browser, attempt.session) as stream:
        assert (await draft_event(stream))["draft"] == {"adds": False, "text": ""}
        await in_database(write, attempt, "The ")
        assert (await draft_event(stream))["draft"] == {"adds": False, "text": "The "}
        await in_database(write, attempt, "The answer")
        assert (await draft_event(stream))["draft"] == {"adds": True, "text": "answer"}
        await in_database(write, attempt, "answer is\u202e long", 4)
        assert (await draft_event(stream))["draft"] == {"adds": True, "text": " is<U+202E> long"}
        await in_database(write, attempt, "far on", 9000)
        assert (await draft_event(stream))["draft"] == {"adds": False, "text": "…\nfar on"}


@pytest.mark.asyncio
async def test_a_page_that_comes_in_the_middle_gets_all_of_it(attempt, browser):  # noqa: F811
    await in_database(write, attempt, "Half a sen")
    async with opened(browser, attempt.session) as stream:
        assert (await draft_event(stream))["draft"] == {"adds": False, "text": "Half a sen"}


@pytest.mark.asyncio
async def test_the_message_comes_with_the_end_of_its_draft(attempt, browser):  # noqa: F811
    await in_database(write, attempt, "Half a sen")
    async with opened(browser, attempt.session) as stream:
        await draft_event(stream)
        await in_database(say, attempt, "Half a sentence.")
        data = await draft_event(stream)
        assert data["draft"] == {"adds": False, "text": ""}
        assert "Half a sentence." in data["entries"][0]["html"]


@pytest.mark.asyncio
async def test_a_message_that_comes_between_two_looks_is_not_missed(
    attempt,
    browser,  # noqa: F811
    monkeypatch,
):
    """It is committed after the page has read the messages, and before it has read the draft."""
    read = drafts.of_session

    def slow(session_id):
        found = read(session_id)
        if found.text == "Half a sen" and not stored(attempt):
            say(attempt, "Half a sentence.")
        return found

    await in_database(write, attempt, "Half a sen")
    monkeypatch.setattr(drafts, "of_session", slow)
    async with opened(browser, attempt.session) as stream:
        _, data = await next_event(stream)
        assert (data["draft"]["text"], len(data["entries"])) == ("", 2)


@pytest.mark.asyncio
async def test_a_draft_is_not_for_who_may_not_read_messages(attempt, browser, viewer):  # noqa: F811
    await in_database(viewer.user_permissions.remove, *await in_database(reading))
    await in_database(write, attempt, "A secret.")
    async with opened(browser, attempt.session) as stream:
        _, data = await next_event(stream)
        assert "secret" not in str(data)


@pytest.mark.asyncio
async def test_a_draft_alone_rings_the_pages(attempt, browser, monkeypatch):  # noqa: F811
    monkeypatch.setattr(changes.Bell.wait, "__defaults__", (60,))
    async with opened(browser, attempt.session) as stream:
        await draft_event(stream)
        await in_database(write, attempt, "At once")
        assert (await draft_event(stream))["draft"]["text"] == "At once"
