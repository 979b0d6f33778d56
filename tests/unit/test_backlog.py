"""The backlog keeps order and loses nothing, in memory, on disk and back."""

from datetime import UTC, datetime

import pytest

from jobs_app.leases import Ending, Record
from jobs_app.models import JobAttempt, JobRequest
from jobs_app.outcomes import Outcome, Verdict
from jobs_app.processes.backlog import Backlog
from jobs_app.talk import Asking
from jobs_app.worker.recorder import RecordForm
from sessions_app.transcript import NewMessage

ATTEMPT = JobAttempt(id="one", started_at=datetime(2026, 1, 1, tzinfo=UTC))


def message(number: int) -> Record:
    text = f"{number} \u2028 \x00 " + "x" * 90
    return Record(ATTEMPT, NewMessage("session", "claude-code", "assistant", text, None, number))


def end() -> Record:
    return Record(ATTEMPT, Ending(Verdict(Outcome.SUCCEEDED)))


def asking(content: str, call: str | None = None) -> Record:
    return Record(ATTEMPT, Asking(JobRequest(content_data=content, call_data=call)))


def drained(backlog: Backlog[Record], step: int) -> list[Record]:
    records: list[Record] = []
    while taken := backlog.take(step):
        records += taken
    return records


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_does_not_fit_in_memory_comes_back_in_order(tmp_path, step):
    backlog = Backlog(tmp_path, RecordForm(), 1000)
    records = [message(number) for number in range(50)] + [end()]
    for record in records:
        backlog.append(record)
    assert len(backlog) == 51
    assert drained(backlog, step) == records
    assert len(backlog) == 0


def test_it_goes_back_to_memory_when_the_file_is_read(tmp_path):
    backlog = Backlog(tmp_path, RecordForm(), 1000)
    for round_ in range(3):
        records = [message(round_ * 100 + number) for number in range(30)]
        for record in records:
            backlog.append(record)
        assert drained(backlog, 10) == records


def test_records_come_in_order_while_others_are_added(tmp_path):
    backlog = Backlog(tmp_path, RecordForm(), 500)
    taken = []
    for number in range(100):
        backlog.append(message(number))
        if number % 3 == 0:
            taken += backlog.take(1)
    taken += drained(backlog, 9)
    assert taken == [message(number) for number in range(100)]


def test_the_file_has_no_name_that_others_could_open(tmp_path):
    backlog = Backlog(tmp_path, RecordForm(), 10)
    for number in range(10):
        backlog.append(message(number))
    assert list(tmp_path.iterdir()) == []
    assert len(drained(backlog, 3)) == 10


def test_a_full_disk_keeps_the_rest_in_memory(tmp_path):
    backlog = Backlog(tmp_path / "missing", RecordForm(), 10)
    records = [message(number) for number in range(10)]
    for record in records:
        backlog.append(record)
    assert drained(backlog, 3) == records


def test_what_agents_ask_counts_as_what_they_say_does(tmp_path):
    backlog = Backlog(tmp_path, RecordForm(), 1000)
    records = [asking("x" * 1100), asking("x", "y" * 1100), asking("x")]
    for record in records:
        backlog.append(record)
    assert [backlog.take(10) for _ in range(2)] == [records[:1], records[1:2]]
    assert backlog.take(10) == records[2:]
