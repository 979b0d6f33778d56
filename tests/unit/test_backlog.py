"""The backlog keeps order and loses nothing, in memory, on disk and back."""

from datetime import UTC, datetime

import pytest

from jobs_app.leases import End, Ending, Entry, RunReport
from jobs_app.models import JobAttempt
from jobs_app.processes.backlog import Backlog
from jobs_app.worker.entries import EntryForm
from sessions_app.transcript import NewMessage

ATTEMPT = JobAttempt(id="one", started_at=datetime(2026, 1, 1, tzinfo=UTC))


def message(number: int) -> Entry:
    text = f"{number} \u2028 \x00 " + "x" * 90
    return Entry(ATTEMPT, NewMessage("session", "claude-code", "assistant", text, None, number))


def end() -> Entry:
    return Entry(ATTEMPT, Ending(ATTEMPT, RunReport("succeeded"), End.COMPLETE))


def drained(backlog: Backlog[Entry], step: int) -> list[Entry]:
    entries: list[Entry] = []
    while taken := backlog.take(step):
        entries += taken
    return entries


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_does_not_fit_in_memory_comes_back_in_order(tmp_path, step):
    backlog = Backlog(tmp_path, EntryForm(), 1000)
    entries = [message(number) for number in range(50)] + [end()]
    for entry in entries:
        backlog.append(entry)
    assert len(backlog) == 51
    assert drained(backlog, step) == entries
    assert len(backlog) == 0


def test_it_goes_back_to_memory_when_the_file_is_read(tmp_path):
    backlog = Backlog(tmp_path, EntryForm(), 1000)
    for round_ in range(3):
        entries = [message(round_ * 100 + number) for number in range(30)]
        for entry in entries:
            backlog.append(entry)
        assert drained(backlog, 10) == entries


def test_entries_come_in_order_while_others_are_added(tmp_path):
    backlog = Backlog(tmp_path, EntryForm(), 500)
    taken = []
    for number in range(100):
        backlog.append(message(number))
        if number % 3 == 0:
            taken += backlog.take(1)
    taken += drained(backlog, 9)
    assert taken == [message(number) for number in range(100)]


def test_the_file_has_no_name_that_others_could_open(tmp_path):
    backlog = Backlog(tmp_path, EntryForm(), 10)
    for number in range(10):
        backlog.append(message(number))
    assert list(tmp_path.iterdir()) == []
    assert len(drained(backlog, 3)) == 10


def test_a_full_disk_keeps_the_rest_in_memory(tmp_path):
    backlog = Backlog(tmp_path / "missing", EntryForm(), 10)
    entries = [message(number) for number in range(10)]
    for entry in entries:
        backlog.append(entry)
    assert drained(backlog, 3) == entries
