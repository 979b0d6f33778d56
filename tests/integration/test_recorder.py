"""The recorder: groups, order, fencing, and faults that only delay it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError

from jobs_app import leases
from jobs_app.leases import Ending
from jobs_app.models import Job
from jobs_app.outcomes import Outcome, Verdict
from jobs_app.worker import recorder
from jobs_app.worker.database import DatabaseThread
from jobs_app.worker.recorder import Recorder
from sessions_app import transcript
from sessions_app.transcript import NewMessage

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def message(attempt, text: str, **columns) -> NewMessage:
    defaults = {"provider": "claude-code", "type": "assistant", "content": text}
    return NewMessage(session_id=attempt.session_id, **{**defaults, **columns})


def record(use: Callable[[Recorder], Awaitable[object]]) -> tuple[object, list[str]]:
    """Run `use` beside a recorder; its result, and the attempts reported as lost."""
    lost: list[str] = []

    async def main() -> object:
        database = DatabaseThread(30)
        writer = Recorder(database, directory(), lost.append)
        task = asyncio.create_task(writer.run())
        try:
            return await asyncio.wait_for(use(writer), 20)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            database.close()

    return asyncio.run(main()), lost


def directory() -> Path:
    return Path(settings.POKECODE_DATA_DIR)


def stored(attempt) -> list[str]:
    rows = transcript.after(attempt.session_id, limit=10_000)
    return [row.content_data for row in rows if row.type == "assistant"]


COMPLETED = Ending(Verdict(Outcome.SUCCEEDED))


def test_messages_are_stored_in_order_and_before_the_end_of_their_run(attempt):
    async def use(writer):
        for number in range(3000):
            writer.add(attempt, message(attempt, str(number)))
        return await writer.end(attempt, COMPLETED)

    ended, lost = record(use)
    assert ended is True
    assert Job.objects.get().status == "completed"
    assert stored(attempt) == [str(number) for number in range(3000)]
    assert lost == []


def test_output_of_a_run_whose_lease_moved_is_dropped_and_reported(attempt):
    leases.rescue(attempt)
    before = stored(attempt)

    async def use(writer):
        writer.add(attempt, message(attempt, "late"))
        return await writer.end(attempt, COMPLETED)

    closed, lost = record(use)
    assert closed is False
    assert lost == [attempt.pk]
    assert stored(attempt) == before


def test_one_message_that_cannot_be_stored_does_not_take_its_neighbours_along(attempt):
    async def use(writer):
        writer.add(attempt, message(attempt, "before"))
        writer.add(attempt, replace(message(attempt, "lost"), session_id="no such session"))
        writer.add(attempt, message(attempt, "after"))
        return await writer.end(attempt, COMPLETED)

    record(use)
    assert stored(attempt) == ["before", "after"]


def test_a_database_that_is_locked_or_full_for_a_while_loses_nothing(attempt, monkeypatch):
    failures = iter(["database is locked", "database or disk is full"])
    store = transcript.store

    def failing(messages, batch, states):
        for reason in failures:
            raise OperationalError(reason)
        return store(messages, batch, states)

    monkeypatch.setattr(leases.transcript, "store", failing)

    async def use(writer):
        writer.add(attempt, message(attempt, "kept"))
        return await writer.end(attempt, COMPLETED)

    record(use)
    assert stored(attempt) == ["kept"]


def test_a_commit_whose_answer_was_lost_stores_nothing_twice(attempt, monkeypatch):
    commit, tries = leases.record, []

    def unheard(group, receipt):
        held = commit(group, receipt)
        tries.append(group)
        if len(tries) < 3:
            raise OperationalError("connection lost")
        return held

    monkeypatch.setattr(leases, "record", unheard)

    async def use(writer):
        for text in ("one", "two"):
            writer.add(attempt, message(attempt, text))
        while len(tries) < 3:
            await asyncio.sleep(0.01)
        return await writer.end(attempt, COMPLETED)

    record(use)
    assert stored(attempt) == ["one", "two"]
    attempt.session.refresh_from_db()
    assert attempt.session.message_count == 3  # with the prompt
    assert Job.objects.get().status == "completed"


def test_a_recorder_that_stops_tells_the_runs_that_wait_for_it(attempt):
    async def main() -> None:
        database = DatabaseThread(30)
        writer = Recorder(database, directory(), lambda attempt_id: None)
        task = asyncio.create_task(writer.run())
        ending = asyncio.create_task(writer.end(attempt, COMPLETED))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for end in (ending, writer.end(attempt, COMPLETED)):
            with pytest.raises(recorder.RecorderStopped):
                await end
        database.close()

    asyncio.run(main())
