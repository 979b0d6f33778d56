"""show_transcript and following, on a real database."""

import asyncio
import json
from io import StringIO

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.db import connections

from sessions_app import transcript
from sessions_app.display import following
from sessions_app.display.following import follow
from sessions_app.providers import PROVIDERS, events
from sessions_app.transcript import NewMessage
from tests import recorded

TIMEOUT = 10


@pytest.fixture
def thread_without_connection(transactional_db):
    """Closes what `sync_to_async`'s own thread has opened, so that the database can go."""
    yield
    asyncio.run(sync_to_async(connections.close_all)())


def append(session, *texts: str) -> list[str]:
    rows = transcript.append(
        [
            NewMessage(session.pk, session.provider, "user", events.prompt(text, "m").raw)
            for text in texts
        ]
    )
    return [row.pk for row in rows]


def append_recording(session, case: str) -> None:
    provider = PROVIDERS[recorded.provider_of(case)]
    transcript.append(
        [
            NewMessage(session.pk, session.provider, provider.classify(json.loads(line)), line)
            for line in recorded.lines(case)
        ]
    )


def show(session_id: str, *options: str) -> str:
    out = StringIO()
    call_command("show_transcript", session_id, *options, stdout=out)
    return out.getvalue()


def prompts_in(messages) -> list[str]:
    return [json.loads(message.content_data)["content"] for message in messages]


def test_a_conversation_reads_from_top_to_bottom(session):
    append(session, "Run the command.")
    append_recording(session, "claude/bashfail")
    assert show(session.pk) == (
        "> Run the command.\n\n"
        "- Claude Code 2.1.330 started with the model claude-opus-5-5.\n"
        "* Bash echo to-stdout; echo to-stderr >&2; exit 3\n"
        "  run it\n"
        "  failed with exit code 3\n"
        "  to-stdout\n"
        "  to-stderr\n\n"
        "  The command failed with 3.\n\n"
        "= 2 turns, 24,461 tokens, $0.0265, 0.4 s\n\n"
    )


def test_json_is_one_object_a_line_for_each_shape(session):
    append(session, "hi\x1b[31m\x7f")
    append_recording(session, "claude/bash")
    output = show(session.pk, "--format=json")
    assert output.isascii()
    assert "\x7f" not in output
    shapes = [json.loads(line) for line in output.splitlines()]
    assert shapes[0]["shape"] == "Prompt"
    assert shapes[0]["text"] == "hi\x1b[31m\x7f"
    assert shapes[0]["message"] == session.messages.in_order().first().pk
    assert [shape["shape"] for shape in shapes[1:]] == [
        "Notice",
        "Text",
        "ToolUse",
        "ToolResult",
        "Text",
        "Result",
    ]


def test_raw_is_what_the_agent_printed_to_the_letter(session):
    append_recording(session, "claude/unicode")
    assert show(session.pk, "--format=raw").split("\n")[:-1] == recorded.lines("claude/unicode")


def test_part_of_an_id_names_a_session(session):
    append(session, "found")
    assert "> found" in show(session.pk[:-2])


@pytest.mark.parametrize("name", ["nope", "", "\x1b[2J", "%"])
def test_an_unknown_session_gets_one_sentence(db, name):
    with pytest.raises(CommandError) as caught:
        show(name)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_long_session_is_read_page_by_page(session, monkeypatch):
    monkeypatch.setattr(following, "PAGE", 3)
    append(session, *map(str, range(10)))
    pages = []
    following.show_new(session.pk, lambda page: pages.append(prompts_in(page)))
    assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6", "7", "8"], ["9"]]


def test_an_empty_session_shows_nothing(session):
    assert show(session.pk) == ""


@pytest.mark.usefixtures("thread_without_connection")
def test_following_shows_old_messages_and_then_new_ones_as_they_are_committed(session):
    (_, second) = append(session, "old", "cursor")
    append(session, "before")
    shown: list[str] = []

    async def scenario():
        seen = asyncio.Event()
        loop = asyncio.get_running_loop()

        def take(page):
            shown.extend(prompts_in(page))
            loop.call_soon_threadsafe(seen.set)

        task = asyncio.create_task(
            follow(session, take, cursor=second, until=lambda: "last" in shown)
        )
        await asyncio.wait_for(seen.wait(), TIMEOUT)
        await sync_to_async(append)(session, "after", "last")
        await asyncio.wait_for(task, TIMEOUT)

    asyncio.run(scenario())
    assert shown == ["before", "after", "last"]


@pytest.mark.usefixtures("thread_without_connection")
def test_what_was_committed_before_the_end_is_still_shown(session):
    shown: list[str] = []

    def has_ended() -> bool:
        append(session, "the last word")
        return True

    asyncio.run(follow(session, lambda page: shown.extend(prompts_in(page)), until=has_ended))
    assert shown == ["the last word"]
