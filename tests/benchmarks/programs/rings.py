"""The limit of waiting: another process sees a commit and starts the agent, no more than that."""

import multiprocessing
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from django.db import connection, transaction

from sessions_app import changes
from tests.benchmarks.programs.knocks import Knocks, pause

CHANNEL = "ring"
SETTLE = 0.1
"""Seconds within which a write to the log shows as a commit, on a busy machine too."""


def main(command: list[str], pipe: str, count: int) -> list[float]:
    knocks = Knocks(pipe)
    listener = multiprocessing.get_context("fork").Process(
        target=_listen, args=(command,), daemon=True
    )
    listener.start()
    knocks.wait()  # it listens
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE ring (number integer)")
    if connection.vendor == "sqlite":
        knocks.wait()  # the table, too, is a commit
    delays = [_ring(knocks) for _ in range(count)]
    listener.terminate()
    listener.join()
    return delays


def _ring(knocks: Knocks) -> float:
    pause()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO ring VALUES (1)")
        changes.announce(CHANNEL)
    committed = time.time()
    return 1000 * (knocks.wait() - committed)


def _listen(command: list[str]) -> None:
    for _ in _notifications() if connection.vendor == "postgresql" else _commits():
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _notifications() -> Iterator[None]:
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as link:
        link.execute(f"LISTEN {CHANNEL}")
        yield
        for _ in link.notifies():
            yield


def _commits() -> Iterator[None]:
    from inotify_simple import INotify, flags

    path = Path(str(connection.settings_dict["NAME"]))
    inotify = INotify()
    inotify.add_watch(path.parent, flags.MODIFY)
    version = _data_version()
    yield
    while True:
        if any(event.name == f"{path.name}-wal" for event in inotify.read()):
            before, version = version, _settled(version)
            if version != before:
                yield


def _settled(version: int) -> int:
    """The version after a write to the log, which comes a moment before its commit shows."""
    deadline = time.monotonic() + SETTLE
    while (latest := _data_version()) == version and time.monotonic() < deadline:
        pass
    return latest


def _data_version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        return int(cursor.fetchone()[0])
