"""A project whose disk hangs holds up its own run alone."""

import signal
import sys
from datetime import timedelta

import pytest
from django.utils.dateparse import parse_datetime

from tests.process.site import directive, processes_of_run, stop, wait_for

TIMEOUT = 3
"""Seconds after which a worker that does not beat counts as gone."""


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "gate"


def hanging(site, gate) -> list[str]:
    """The program `manage.py`, for which the project `slow` hangs until the gate is there."""
    slow = str(site.projects / "slow")
    return [sys.executable, "-m", "tests.process.hanging", slow, str(gate)]


@pytest.fixture
def worker(site, gate):
    """A worker for which the project `slow` hangs until the gate is there."""
    timeout = {"POKECODE_WORKER_TIMEOUT": str(TIMEOUT)}
    with site.worker("--concurrency=3", program=hanging(site, gate), **timeout) as process:
        yield process


def hung(site, job: str) -> dict:
    """The attempt of a job that was claimed and hangs before its agent has started."""
    return wait_for(lambda: next(iter(site.attempts(job)), None), what="claimed")


def heartbeat(site):
    (row,) = site.rows("SELECT heartbeat_at FROM job_workers")
    return parse_datetime(row["heartbeat_at"])


def test_other_runs_heartbeats_and_cancels_go_on(site, gate, worker):
    slow, quick = site.session("slow"), site.session("quick")
    (site.projects / "slow" / "CLAUDE.md").write_text("Be brief.")  # it goes into a private file
    stuck = site.submit(slow, "Look around")
    hung(site, stuck)
    began = heartbeat(site)
    for _ in range(2):
        site.wait_for_status(site.submit(quick, "Look around"), "completed")
    wait_for(lambda: heartbeat(site) > began + timedelta(seconds=2 * TIMEOUT), what="heartbeats")
    assert [run["outcome"] for run in site.attempts(stuck)] == [None]

    site.manage("cancel_jobs", stuck)
    row = site.wait_for_status(stuck, "cancelled", timeout=5)
    assert row["error"] == "The attempt was cancelled."
    assert not site.session_row(slow)["is_working"]
    gate.touch()
    following = site.submit(slow, "Look again")
    site.wait_for_status(following, "completed")
    assert processes_of_run(site.attempts(stuck)[0]["id"]) == []
    assert list((site.database.data_directory / "runs").iterdir()) == []


def test_a_disk_that_is_only_slow_delays_its_run(site, gate, worker):
    job = site.submit(site.session("slow"), directive())
    hung(site, job)
    gate.touch()
    site.wait_for_status(job, "completed")
    assert [run["outcome"] for run in site.attempts(job)] == ["succeeded"]


def test_a_run_that_hangs_for_longer_than_its_time_fails(site, gate):
    with site.worker(program=hanging(site, gate), POKECODE_JOB_TIMEOUT="1"):
        job = site.submit(site.session("slow"), "Look around")
        row = site.wait_for_status(job, "failed")
    assert row["error"] == "The agent was stopped after 1 s (POKECODE_JOB_TIMEOUT)."


def test_a_worker_stops_although_a_run_hangs(site, gate, worker):
    job = site.submit(site.session("slow"), "Look around")
    hung(site, job)
    assert stop(worker, signal.SIGTERM, signal.SIGINT) == 0
    assert site.job(job)["status"] == "pending"
    assert [run["outcome"] for run in site.attempts(job)] == ["interrupted"]
