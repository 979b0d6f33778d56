"""A database that is locked, away, full or not migrated: one sentence, no traceback, no harm."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from tests.process.site import ROOT, Site, directive, wait_for


def assert_one_sentence(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("pokecode: ")
    for part in parts:
        assert part in line


@pytest.mark.parametrize("command", [["queue_status"], ["trust_project", "--list"]])
def test_a_command_before_migrate_says_to_migrate(site: Site, tmp_path, command):
    done = site.manage(*command, check=False, POKECODE_DATA_DIR=str(tmp_path / "new"))
    assert_one_sentence(done, "Run `manage.py migrate` first.")


def test_a_locked_database_is_waited_for_and_then_explained(site: Site):
    path = site.database.data_directory / "pokecode.sqlite3"
    (site.projects / "one").mkdir()
    command = ["create_session", str(site.projects / "one")]
    holder = sqlite3.connect(path, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        done = site.manage(*command, check=False, DATABASE_URL=f"sqlite:///{path}?timeout=1")
        assert_one_sentence(done, "locked by another program")
    finally:
        holder.close()
    assert site.rows("SELECT count(*) AS n FROM sessions") == [{"n": 0}]
    site.manage(*command)


def test_workers_outlast_a_locked_database_with_their_agents(site: Site, tmp_path):
    """Longer than the worker timeout, and than the time between two looks for dead workers."""
    path = site.database.data_directory / "pokecode.sqlite3"
    started, gate = tmp_path / "started", tmp_path / "gate"
    job = site.submit(site.session(), directive(log=str(started), wait_for=str(gate)))
    with site.worker("--concurrency=1"), site.worker("--concurrency=1"):
        wait_for(started.exists)
        wait_for(lambda: len(site.rows("SELECT id FROM job_workers")) == 2)
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            time.sleep(11)
        gate.touch()
        site.wait_for_status(job, "completed")
    assert [run["outcome"] for run in site.attempts(job)] == ["succeeded"]


@pytest.mark.parametrize("command", ["queue_status", "process_jobs"])
def test_a_server_that_is_away_is_explained_without_the_password(site: Site, command):
    url = "postgres://user:hunter2@127.0.0.1:1/name"
    done = site.manage(command, check=False, DATABASE_URL=url)
    assert_one_sentence(done, "does not answer", "DATABASE_URL")
    assert "hunter2" not in done.stderr


def test_a_file_that_is_no_database_is_explained(site: Site, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 1000)
    path.chmod(0o600)
    done = site.manage("queue_status", check=False, DATABASE_URL=f"sqlite:///{path}")
    assert_one_sentence(done, "not an SQLite database")
    assert path.read_text().startswith("not a database")


def test_the_traceback_is_there_for_who_asks(site: Site, tmp_path):
    directory = str(tmp_path / "new")
    done = site.manage("queue_status", "--traceback", check=False, POKECODE_DATA_DIR=directory)
    assert "Traceback" in done.stderr


def test_an_interrupted_command_ends_without_a_traceback(site: Site):
    waiting = "print('ready', flush=True); input()"
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "-v0", "--command", waiting]
    with subprocess.Popen(
        command,
        env=site.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert complaint == ""


# A disk of 2 MB in a mount namespace of its own: gone with the process, seen by nobody else.
SMALL_DISK = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
MOUNT = "mount -t tmpfs -o size=2m,mode=700 tmpfs"


def can_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    probe = subprocess.run([*SMALL_DISK, "sh", "-c", f"{MOUNT} /mnt"], capture_output=True)
    return probe.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount: run as root with unshare")
def test_a_full_disk_is_explained_and_loses_nothing(site: Site, tmp_path):
    manage = f"{sys.executable} {ROOT / 'manage.py'}"
    disk, project = tmp_path / "disk", site.projects / "one"
    disk.mkdir()
    project.mkdir()
    script = f"""
        set -e
        {MOUNT} {disk}
        cp -a {site.database.data_directory}/. {disk}
        {manage} create_session {project} --name before > {tmp_path}/id
        dd if=/dev/zero of={disk}/fill bs=1k 2> /dev/null || true
        {manage} submit_prompt $(cat {tmp_path}/id) - < {tmp_path}/prompt && exit 1
        echo "-- room again" >&2
        rm {disk}/fill
        {manage} submit_prompt $(cat {tmp_path}/id) - < {tmp_path}/prompt
        {manage} queue_status --json
    """
    (tmp_path / "prompt").write_text("x" * 200_000)
    done = subprocess.run(
        [*SMALL_DISK, "sh", "-c", script],
        env={**site.environment, "POKECODE_DATA_DIR": str(disk)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    complaint, again, *rest = done.stderr.splitlines()
    assert complaint.startswith("pokecode: The disk that holds the database is full")
    assert (again, rest) == ("-- room again", [])
    assert '"pending": 1' in done.stdout


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount: run as root with unshare")
def test_a_full_disk_at_the_very_first_start_is_explained(site: Site, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        f"{MOUNT} {disk}; dd if=/dev/zero of={disk}/fill bs=1k 2> /dev/null;"
        f"{sys.executable} {ROOT / 'manage.py'} check"
    )
    done = subprocess.run(
        [*SMALL_DISK, "sh", "-c", script],
        env={**site.environment, "POKECODE_DATA_DIR": str(disk)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "POKECODE_SECRET_KEY" in line
    assert "No space left on device" in line
