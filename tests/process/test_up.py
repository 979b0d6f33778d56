"""`up`: one command starts everything, one signal ends everything."""

import json
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.process.running import Up
from tests.process.site import MANAGE, directive, wait_for

SOON = 10
"""Seconds within which everything has ended; agents that obey need far less."""


@pytest.fixture
def home(tmp_path) -> Path:
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


def _demo_jobs(home: Path) -> list[str]:
    """The states of the demo's jobs."""
    path = home / ".local/share/pokecode/demo/pokecode.sqlite3"
    with closing(sqlite3.connect(path, timeout=30)) as link:
        return [status for (status,) in link.execute("SELECT status FROM job_queue")]


def _asked(home: Path) -> list[str]:
    """The kinds of what the demo's agents ask and nobody has answered."""
    path = home / ".local/share/pokecode/demo/pokecode.sqlite3"
    query = "SELECT kind FROM job_requests WHERE answered_at IS NULL AND closed_at IS NULL"
    with closing(sqlite3.connect(path, timeout=30)) as link:
        return [kind for (kind,) in link.execute(query)]


def _log_levels(up: Up) -> set[str]:
    lines = [line for line in up.text().splitlines() if line.startswith("{")]
    return {json.loads(line)["level"] for line in lines}


def test_a_demo_runs_its_prompts_asks_ends_with_ctrl_c_and_keeps_its_data(home):
    with Up(home, "--demo").wait_until_ready() as up:
        assert up.get("/health/ready") == "ok\n"
        visitor = up.log_in()
        assert "Claude Code demo" in up.get("/admin/sessions_app/session/", visitor)
        assert "demo agent stands in" in up.text()
        assert "set POKECODE_DATA_DIR to this directory" in up.text()
        wait_for(lambda: _asked(home) == ["question", "question"], 90, up.text())
        assert sorted(_demo_jobs(home)) == ["completed", "processing", "processing"]
        assert "completed" in up.get("/admin/jobs_app/job/", visitor)
        assert up.stop(signal.SIGINT) < SOON
        assert up.family() == []
        assert _log_levels(up) == {"info"}
    assert sorted(ended := _demo_jobs(home)) == ["completed", "pending", "pending"]
    with Up(home, "--demo").wait_until_ready() as again:
        assert "password" not in again.text()
        assert (_demo_jobs(home), _asked(home)) == (ended, ["question", "question"])
        assert again.stop(signal.SIGTERM) < SOON
        assert again.family() == []


@pytest.fixture
def up(site):
    """A running `up` with the fake agent instead of real ones."""
    with Up(site.directory / "home", environment=site.environment) as running:
        yield running.wait_until_ready()


def _run_for_ever(site) -> str:
    detached = site.directory / "detached"
    wanted = directive(sleep=600, spawn_detached=str(detached))
    job = site.submit(site.session(), wanted)
    wait_for(detached.exists, what="the agent runs and has left a process behind")
    return job


def test_a_running_prompt_goes_back_to_the_queue_and_leaves_no_process(site, up):
    job = _run_for_ever(site)
    assert up.stop(signal.SIGTERM) < SOON
    assert up.family() == []
    assert site.job(job)["status"] == "pending"
    assert site.job(job)["attempts"] == 0
    assert "go back to the queue and continue at the next start" in up.text()


def test_a_closed_terminal_ends_everything(up):
    assert up.stop(signal.SIGHUP) < SOON
    assert up.family() == []


def test_nohup_keeps_it_running_when_the_terminal_closes(home):
    with Up(home, "--demo", program=("nohup", *MANAGE)).wait_until_ready() as up:
        up.process.send_signal(signal.SIGHUP)
        assert up.get("/health/ready") == "ok\n"
        assert up.stop(signal.SIGTERM) < SOON
        assert "Stopped." in up.text()
        assert up.family() == []


def test_a_job_processor_that_dies_is_started_again(up):
    (first,) = wait_for(up.workers)
    first.kill()
    wait_for(lambda: [worker for worker in up.workers() if worker.pid != first.pid])
    assert "job processor was killed by signal 9: starting it again in 1 s" in up.text()
    assert up.get("/health/ready") == "ok\n"


def test_after_a_kill_of_up_the_job_processor_stops_and_nothing_is_left(site, up):
    job = _run_for_ever(site)
    up.process.kill()
    up.process.wait()
    wait_for(lambda: not up.family(), SOON, "everything ends")
    assert site.job(job)["status"] == "pending"


def test_both_agents_that_are_missing_are_named_with_the_remedy(site):
    missing = {"POKECODE_CLAUDE_COMMAND": "no-such-claude", "POKECODE_CODEX_COMMAND": "no-such"}
    environment = {**site.environment, **missing}
    with Up(site.directory / "home", environment=environment).wait_until_ready() as up:
        assert "Claude Code: not found. Install it with `npm install" in up.text()
        assert "Codex: not found. Install it with `npm install" in up.text()
        assert str(site.database.data_directory) in up.text()


def _refused(site, *options: str, **environment: str) -> str:
    done = site.manage("up", *options, check=False, **environment)
    assert done.returncode in {1, 2}
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def test_a_port_in_use_is_one_sentence(site):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert "Address already in use" in _refused(site, f"--port={port}")


def test_serving_others_needs_names_and_a_demo_never_serves_them(site):
    assert "set POKECODE_ALLOWED_HOSTS" in _refused(site, "--host=0.0.0.0", "--port=0")
    assert "on this machine only" in _refused(site, "--host=0.0.0.0", "--port=0", "--demo")


def test_a_weak_chosen_password_is_refused_and_a_good_one_is_not_printed(site):
    refused = _refused(site, "--port=0", POKECODE_ADMIN_PASSWORD="admin")
    assert "POKECODE_ADMIN_PASSWORD: " in refused
    chosen = {"POKECODE_ADMIN_PASSWORD": "correct horse battery"}
    with Up(
        site.directory / "home", environment={**site.environment, **chosen}
    ).wait_until_ready() as up:
        assert chosen["POKECODE_ADMIN_PASSWORD"] not in up.text()
        assert up.text().count("POKECODE_ADMIN_PASSWORD") == 1
        for process in [psutil.Process(up.process.pid), *up.family()]:
            assert "POKECODE_ADMIN_PASSWORD" not in process.environ(), process.cmdline()
        assert up.stop(signal.SIGTERM) < SOON


def test_a_wrong_option_is_explained():
    done = subprocess.run(
        [*MANAGE, "up", "--port=eighty"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "'eighty' is not a port" in done.stderr


def test_a_site_that_no_longer_hears_signals_does_not_outlive_them(up):
    (worker,) = wait_for(up.workers)
    (site,) = [process for process in up.family() if process.pid != worker.pid]
    site.suspend()  # like a request that holds the whole process up
    up.process.send_signal(signal.SIGTERM)
    assert up.stop(signal.SIGTERM) < SOON
    assert up.family() == []
    assert "held up by a request and did not end: it was killed" in up.text()


def test_a_site_that_dies_ends_everything_in_one_sentence(up):
    (worker,) = wait_for(up.workers)
    (site,) = [process for process in up.family() if process.pid != worker.pid]
    site.kill()
    assert up.process.wait(SOON) == 1
    assert up.family() == []
    assert up.text().endswith("The site was killed by signal 9.\n")
