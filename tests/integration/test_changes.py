"""A commit of another process rings the bell at once; a missed ring is only a delay."""

import asyncio
import os
import subprocess
import sys
import textwrap
from contextlib import nullcontext
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, transaction

from jobs_app.models import JobAttempt
from jobs_app.queue import enqueue
from jobs_app.worker.upkeep import new_worker
from sessions_app import changes
from sessions_app.models import Session
from tests.leasing import claim

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
# Another process: says when it is ready, then commits once for every line it reads.
WRITER = textwrap.dedent(
    """
    import os, sys
    os.umask(0o077)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    django.setup()
    from django.db import connection, transaction
    connection.settings_dict["NAME"] = sys.argv[1]
    from sessions_app import changes
    from sessions_app.models import Session
    from django.db.models import F
    print("ready", Session.objects.count(), flush=True)
    for line in sys.stdin:
        with transaction.atomic():
            Session.objects.update(token_count=F("token_count") + 1)
            changes.announce(line.strip())
        print("committed", flush=True)
    """
)


@pytest.fixture
def writer(session):
    environment = {**os.environ, "POKECODE_DATA_DIR": str(settings.POKECODE_DATA_DIR)}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(connection.settings_dict["NAME"])],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready 1\n"
    with process:
        yield process
        process.stdin.close()


def _commit(writer, channel):
    writer.stdin.write(f"{channel}\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == "committed\n"


async def _quiet(bell: changes.Bell) -> None:
    """Wait until the bell has settled: what was committed before may ring it once."""
    while await bell.wait(0.2):
        pass


@pytest.mark.parametrize(
    ("name", "nothing"),
    [
        pytest.param("LOOK_DELAYS", (), id="because it was announced"),
        pytest.param("_touches", lambda *_: nullcontext(), id="because it was written"),
    ],
)
def test_a_commit_of_another_process_rings(writer, monkeypatch, name, nothing):
    monkeypatch.setattr(changes, "SLOW_POLL", 3600)  # so that only a watch can ring
    monkeypatch.setattr(changes, name, nothing)  # on SQLite, which has two

    async def listen() -> bool:
        async with changes.listen(changes.JOBS) as bell:
            await _quiet(bell)
            return await rings(bell)

    async def rings(bell: changes.Bell) -> bool:
        for _ in range(30):  # a writer held up between write and commit is missed, that once
            await asyncio.to_thread(_commit, writer, changes.JOBS)
            if await bell.wait(1):
                return True
        return False

    assert asyncio.run(listen())


@pytest.mark.parametrize("steps", range(4))
def test_a_ring_does_not_swallow_a_cancellation(steps):
    async def ring_and_cancel() -> None:
        bell = changes.Bell()
        waiting = asyncio.create_task(bell.wait(60))
        await asyncio.sleep(0)
        bell.ring()
        for _ in range(steps):
            await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(ring_and_cancel())


def test_a_rolled_back_change_is_silent(session):
    async def listen() -> bool:
        async with changes.listen(changes.JOBS) as bell:
            await _quiet(bell)
            await sync_to_async(_roll_back, thread_sensitive=False)()
            return await bell.wait(0.3)

    assert asyncio.run(listen()) is False


def _roll_back() -> None:
    with transaction.atomic():
        Session.objects.update(token_count=1)
        changes.announce(changes.JOBS)
        transaction.set_rollback(True)
    connection.close()


def test_postgresql_rings_for_the_channels_asked_for_and_sqlite_for_all(writer):
    async def listen() -> bool:
        async with changes.listen(changes.MESSAGES) as bell:
            await _quiet(bell)
            await asyncio.to_thread(_commit, writer, changes.JOBS)
            return await bell.wait(0.3)

    assert asyncio.run(listen()) is (connection.vendor == "sqlite")


def test_a_claim_rings_for_pages_and_wakes_no_worker_on_postgresql(session):
    enqueue(session, "Do it")

    async def listen() -> tuple[bool, bool]:
        async with changes.listen(changes.RUNS) as page, changes.listen(changes.JOBS) as worker:
            await _quiet(page)
            await _quiet(worker)
            assert await sync_to_async(_claim, thread_sensitive=False)()
            return await page.wait(30), await worker.wait(0.3)

    assert asyncio.run(listen()) == (True, connection.vendor == "sqlite")


def _claim() -> list[JobAttempt]:
    worker = new_worker("0", 1)
    worker.save(force_insert=True)
    try:
        return claim(worker)
    finally:
        connection.close()


def test_a_missed_ring_is_only_a_delay(writer, monkeypatch):
    monkeypatch.setattr("inotify_simple.INotify.add_watch", lambda *arguments: 0)

    async def listen() -> bool:
        async with changes.listen(changes.JOBS) as bell:
            await _quiet(bell)
            await asyncio.to_thread(_cut_listeners_off)
            await asyncio.to_thread(_commit, writer, changes.JOBS)
            return await bell.wait(30)

    assert asyncio.run(listen()) is True


def test_a_watch_that_cannot_be_had_is_said_and_is_only_a_delay(writer, monkeypatch, caplog):
    def refused(*arguments, **options):
        raise OSError("Too many open files")

    monkeypatch.setattr("inotify_simple.INotify.__init__", refused)
    monkeypatch.setattr("psycopg.AsyncConnection.connect", refused)

    async def listen() -> None:
        async with changes.listen(changes.JOBS) as bell:
            await asyncio.to_thread(_commit, writer, changes.JOBS)
            await bell.wait()

    asyncio.run(listen())
    assert "cannot be watched" in caplog.text
    assert "Too many open files" in caplog.text


def _cut_listeners_off() -> None:
    """End the connections that listen; on SQLite the test has taken away the watch."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'LISTEN %'"
            )
            assert cursor.rowcount == 1
        connection.close()
