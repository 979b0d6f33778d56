"""A PokéCode of its own for a test: data directory, database, real commands in real processes."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

ROOT = Path(__file__).resolve().parents[2]
MANAGE = (sys.executable, str(ROOT / "manage.py"))
FAKE_AGENT = ROOT / "tests" / "fakes" / "agent.py"
T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], timeout: float = 30, what: str = "") -> T:
    """The condition's first true value; fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what or condition}")
        time.sleep(0.01)
    return value


class Site:
    """Runs `manage.py` in the environment of one data directory and database."""

    def __init__(self, directory: Path, database: "Database") -> None:
        self.directory = directory
        self.projects = directory / "projects"
        self.projects.mkdir()
        self.database = database
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory / "home"),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error",
            "POKECODE_DATA_DIR": str(database.data_directory),
            "POKECODE_PROJECT_ROOTS": str(self.projects),
            "POKECODE_CLAUDE_COMMAND": f"{sys.executable} {FAKE_AGENT} claude",
            "POKECODE_CODEX_COMMAND": f"{sys.executable} {FAKE_AGENT} codex",
            "POKECODE_CANCEL_GRACE": "1",
            "POKECODE_HEARTBEAT_INTERVAL": "0.2",
            "POKECODE_WORKER_TIMEOUT": "2",
            **database.environment,
        }
        (directory / "home").mkdir()

    def manage(
        self,
        *arguments: str,
        stdin: bytes = b"",
        check: bool = True,
        program: Sequence[str] = MANAGE,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; fails the test on a non-zero exit unless told not to."""
        done = subprocess.run(
            [*program, *arguments],
            input=stdin,
            capture_output=True,
            timeout=120,
            env={**self.environment, **environment},
            check=False,
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check and done.returncode:
            raise AssertionError(f"{arguments} exited with {done.returncode}: {out}{err}")
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def session(self, name: str = "one", *options: str) -> str:
        project = self.projects / name
        project.mkdir(exist_ok=True)
        return self.manage("create_session", str(project), *options).stdout.strip()

    def submit(self, session: str, prompt: str, *options: str) -> str:
        """Queue a prompt; returns the job's id."""
        done = self.manage("submit_prompt", session, "-", *options, stdin=prompt.encode())
        return done.stdout.strip()

    def drain(self, **environment):
        self.manage("process_jobs", "--drain", **environment)

    @contextmanager
    def worker(
        self,
        *options: str,
        program: Sequence[str] = MANAGE,
        **environment: str,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A job processor that runs while the block does, and is killed after it."""
        with (self.directory / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [*program, "process_jobs", *options],
                stdout=log,
                stderr=log,
                env={**self.environment, **environment},
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        return self.database.rows(query, parameters)

    def job(self, job_id: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM job_queue WHERE id = ?", job_id)
        return row

    def attempts(self, job_id: str) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM job_attempts WHERE job_id = ? ORDER BY number", job_id)

    def messages(self, session: str) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM session_messages WHERE session_id = ? ORDER BY id", session)

    def session_row(self, session: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM sessions WHERE id = ?", session)
        return row

    def wait_for_status(self, job_id: str, *statuses: str, timeout: float = 30) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            row = self.job(job_id)
            return row if row["status"] in statuses else None

        return wait_for(reached, timeout, f"job in {statuses}; log: {self.log()[-2000:]}")

    def log(self) -> str:
        path = self.directory / "worker.log"
        return path.read_text(errors="replace") if path.exists() else ""


class Database:
    """A migrated database, copied from a template that was migrated once."""

    def __init__(self, directory: Path, template: Path) -> None:
        self.data_directory = directory / "data"
        shutil.copytree(template, self.data_directory)
        self.environment: dict[str, str] = {}

    def rows(self, query: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]]:
        link = self.connect()
        link.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in link.execute(query, parameters)]
        finally:
            link.close()

    def connect(self) -> sqlite3.Connection:
        """A connection of the test's own, behind the back of all others."""
        return sqlite3.connect(self.data_directory / "pokecode.sqlite3", timeout=30)


def directive(**instructions: Any) -> str:
    """A prompt that tells the fake agent what to do; see tests/fakes/agent.py."""
    return f"FAKE {json.dumps(instructions)}"


def processes_of_run(attempt_id: str) -> list[int]:
    """Every process on this machine that carries the marker of the run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("POKECODE_RUN") == attempt_id:
                found.append(process.pid)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def stop(process: subprocess.Popen[bytes], *signals: signal.Signals, timeout: float = 30) -> int:
    """Send the signals and return the exit code."""
    for number in signals:
        process.send_signal(number)
    return process.wait(timeout)
