"""`submit_prompt --wait` in a real terminal, while an agent asks something."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.asked import bash
from tests.process.site import ROOT
from tests.process.test_show_transcript import TIMEOUT, read_until

ASK = """
import sys
from jobs_app.models import Job
from jobs_app.worker.upkeep import new_worker
from tests.asked import ask
from tests.leasing import claim
worker = new_worker("test", concurrency=4)
worker.save()
[attempt] = claim(worker)
for line in sys.stdin:
    print(ask(attempt, line).pk)
"""


@contextmanager
def waiting(site, session: str):
    """The command in a terminal of its own, from which it also reads; yields both and the job."""
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "submit_prompt", session, "Do it", "--wait"],
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        env={**site.environment, "NO_COLOR": "1"},
    )
    os.close(secondary)
    try:
        [job_id] = re.findall(r"([0-9a-f-]{36})\r\n", read_until(primary, "\n"))
        yield process, primary, job_id
    finally:
        process.kill()
        process.wait()
        os.close(primary)


def ask(site, *lines: str) -> str:
    """Another process claims the job as a worker does, and asks."""
    typed = "\n".join(lines).encode()
    asked = site.manage("shell", "--verbosity=0", "--command", ASK, stdin=typed)
    return asked.stdout.strip()


@pytest.fixture
def session(site) -> str:
    return site.session()


def test_what_is_asked_is_answered_where_one_waits_for_it(site, session):
    with waiting(site, session) as (process, terminal, _):
        request = ask(site, bash("make \x1b[2J all"))
        shown = read_until(terminal, "deny and stop it")
        assert "    make <U+001B>[2J all\r\n" in shown
        os.write(terminal, b"what\na\n")
        read_until(terminal, "allowed this once")
    [row] = site.rows("SELECT id, answer FROM job_requests")
    assert (row["id"], row["answer"]) == (request, '{"decision": "allow"}')


def test_what_was_typed_before_a_request_was_shown_does_not_answer_it(site, session):
    with waiting(site, session) as (process, terminal, _):
        ask(site, bash("make one"), bash("make two"))
        read_until(terminal, "deny and stop it")
        os.write(terminal, b"a\na\na")
        read_until(terminal, "deny and stop it")
        os.write(terminal, b"d Stop.\n")
        read_until(terminal, "denied this")
    rows = site.rows("SELECT answer FROM job_requests ORDER BY id")
    assert [json.loads(row["answer"]) for row in rows] == [
        {"decision": "allow"},
        {"decision": "deny", "why": "Stop."},
    ]


def test_an_answer_from_elsewhere_is_seen_at_once(site, session):
    with waiting(site, session) as (process, terminal, _):
        request = ask(site, bash())
        read_until(terminal, "deny and stop it")
        site.manage("answer_request", request, "deny")
        read_until(terminal, "denied this")


def test_ctrl_c_and_the_end_of_input_leave_job_and_request_as_they_are(site, session):
    with waiting(site, session) as (process, terminal, job_id):
        ask(site, bash())
        read_until(terminal, "deny and stop it")
        os.write(terminal, b"\x04")
        process.send_signal(signal.SIGINT)
        read_until(terminal, "the job goes on")
        assert process.wait(TIMEOUT) == 130
    [row] = site.rows("SELECT answer, closed_at FROM job_requests")
    assert (row["answer"], row["closed_at"]) == (None, None)
    assert site.job(job_id)["status"] == "processing"
