"""A copied data directory on the same machine: neither its workers nor its commands act for it."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.process.site import Database, Site, directive, processes_of_run, stop, wait_for


class Copy(Database):
    """The data directory of another site, as `cp -r` makes it."""

    def __init__(self, original: Database, directory: Path) -> None:
        self.data_directory = directory
        shutil.copytree(original.data_directory, directory)
        self.environment = {}


@pytest.fixture
def gate(tmp_path) -> Path:
    """The fake agent ends when this file is there."""
    return tmp_path / "gate"


def copied(site: Site, tmp_path: Path) -> Site:
    (tmp_path / "copy").mkdir()
    copy = Site(tmp_path / "copy", Copy(site.database, tmp_path / "copy" / "data"))
    copy.environment["POKECODE_PROJECT_ROOTS"] = str(tmp_path)
    return copy


def assert_refused(site: Site, *command: str) -> None:
    done = site.manage(*command, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "This database is a copy" in line and "adopt_database" in line


def test_a_copy_leaves_the_agents_and_the_prompts_of_its_original_alone(site, tmp_path, gate):
    session = site.session()
    running = site.submit(session, directive(wait_for=str(gate)))
    waiting = site.submit(session, "Later.")
    with site.worker() as worker:
        (attempt,) = wait_for(lambda: site.attempts(running))
        wait_for(lambda: processes_of_run(attempt["id"]))
        copy = copied(site, tmp_path)
        for command in (["process_jobs", "--drain"], ["rescue_jobs"], ["up", "--port=0"]):
            assert_refused(copy, *command)
        assert copy.job(waiting)["status"] == "pending"

        assert "to the original: 1." in copy.manage("adopt_database").stdout
        copy.manage("rescue_jobs")
        copy.manage("cancel_jobs", running, waiting)
        assert "is ended" not in copy.manage("process_jobs", "--drain").stderr
        assert [row["outcome"] for row in copy.attempts(running)] == ["lost"]
        assert processes_of_run(attempt["id"]), "the original's agent was ended"

        gate.touch()
        site.wait_for_status(waiting, "completed")
        assert [row["outcome"] for row in site.attempts(running)] == ["succeeded"]
        assert stop(worker, signal.SIGTERM) == 0


def test_a_copy_made_before_the_first_worker_started_is_refused_too(site, tmp_path):
    waiting = site.submit(site.session(), "Later.")
    copy = copied(site, tmp_path)
    assert_refused(copy, "process_jobs", "--drain")
    site.drain()
    assert [each.job(waiting)["status"] for each in (site, copy)] == ["completed", "pending"]


def test_what_is_moved_goes_on_and_so_does_a_copy_in_which_nothing_waits(site, tmp_path):
    session = site.session()
    site.submit(session, "Hello")
    site.drain()
    copied(site, tmp_path).drain()

    waiting = site.submit(session, "Later.")
    moved = site.database.data_directory.rename(tmp_path / "moved")
    site.database.data_directory = moved
    site.drain(POKECODE_DATA_DIR=str(moved))
    assert site.job(waiting)["status"] == "completed"
