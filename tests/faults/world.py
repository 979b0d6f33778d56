"""One run: jobs in the queue, real processes that work on them, and a witness beside them."""

import json
import os
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from jobs_app.models import Job, JobAttempt
from sessions_app import changes
from sessions_app.models import Session, SessionMessage
from tests.faults import oracle
from tests.faults.people import People
from tests.process.site import MANAGE

PATIENCE = 60.0
"""Seconds within which whatever is waited for must happen."""


class Stuck(Exception):
    """Something that must happen did not happen in time."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job as its submitter knows it: `number` counts the run's jobs, `lines` is what it prints.

    `failure` is what its error must say; None for a job that must be completed.
    """

    number: int
    job_id: str
    session_id: str
    lines: int
    failure: str | None = None
    calls: int = 0
    """How many calls its agent asks for."""


class World:
    """`database` is fresh; `base` holds the data directory, the projects and the agents' log."""

    def __init__(self, base: Path, database: Any, seed: str, *, is_long: bool) -> None:
        self.base = base
        self.database = database
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.is_long = is_long
        self.agents_log = base / "agents.log"
        self.calls_log = base / "calls.log"
        self.worker_log = base / "worker.log"
        self.clocks_agree = True
        self.problems: list[str] = []
        self.summary = "not judged"
        self.jobs: list[Submitted] = []
        self.injected: list[str] = []
        self.broken: set[str] = set()
        """What the witness saw that must never be true, not even for a moment."""
        self.acknowledged: set[str] = set()
        """Messages that the witness has read: they must never be missing again."""
        self.people = People(self)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._clear()

    # --- what is in the queue -----------------------------------------------

    def submit(self, sessions: int, jobs_each: int, **directives: Any) -> None:
        """Queue jobs in turn over new sessions; each does something different unless told what."""
        rows = [self._new_session(number) for number in range(sessions)]
        with transaction.atomic():
            for _ in range(jobs_each):
                for session in rows:
                    self.submit_one(session, **directives)

    def submit_one(self, session: Session, *, failure: str | None = None, **directives: Any) -> Job:
        number = len(self.jobs)
        prompt, lines = self.prompt(session, number, **directives)
        job = Job.objects.enqueue(session, prompt)
        calls = len(directives.get("ask", ()))
        self.jobs.append(Submitted(number, job.pk, session.pk, lines, failure, calls))
        return job

    def submit_asking(self, sessions: int, jobs_each: int, **directives: Any) -> None:
        """Queue jobs whose agents ask for a few calls each; a person has to answer."""
        rows = [self._new_session(number, "claude-code") for number in range(sessions)]
        with transaction.atomic():
            for _ in range(jobs_each):
                for session in rows:
                    self.submit_one(session, **{**self._asking(len(self.jobs)), **directives})

    def _asking(self, number: int) -> dict[str, Any]:
        seconds = self.random.choice((0, 0.05, 0.2))
        calls = [
            {"tool": "Bash", "input": {"command": oracle.call(number, each)}, "seconds": seconds}
            for each in range(self.random.choice((1, 2, 3)))
        ]
        wanted: dict[str, Any] = {"ask": calls, "calls": str(self.calls_log), "sleep": 0}
        if self.random.random() < 0.3:
            wanted["at_once"] = True
        if self.random.random() < 0.5:
            wanted["hears"] = "after"
        return wanted

    def prompt(self, session: Session, number: int, **directives: Any) -> tuple[str, int]:
        """A prompt for the fake agent, and how many numbered lines it will print."""
        wanted = {**self._behaviour(number), **directives}
        lines = wanted.pop("lines", self.random.choice((0, 1, 5, 20)))
        wanted["before"] = [oracle.numbered_line(number, line) for line in range(lines)]
        wanted["number"] = number
        wanted["log"] = str(self.agents_log)
        wanted["lock"] = str(self.base / "locks" / session.pk)
        return f"FAKE {json.dumps(wanted)}", lines

    def submit_by_command(self, session: Session, program: Sequence[str]) -> None:
        """As another process does it."""
        number = len(self.jobs)
        prompt, lines = self.prompt(session, number)
        done = subprocess.run(
            [*program, "submit_prompt", session.pk, "-"],
            input=prompt.encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        self.jobs.append(Submitted(number, done.stdout.decode().strip(), session.pk, lines))

    def _behaviour(self, number: int) -> dict[str, Any]:
        wanted: dict[str, Any] = {
            "pause": self.random.choice((0, 0.002, 0.01)),
            "sleep": self.random.choice((0, 0, 0.05, 0.2)),
            "usage": [self.random.randrange(1000), self.random.randrange(1000)],
        }
        if self.random.random() < 0.25:
            wanted["spawn_detached"] = str(self.base / f"detached-{number}")
        if self.random.random() < 0.1:
            wanted["ignore_signals"] = True
        return wanted

    def _new_session(self, number: int, provider: str = "") -> Session:
        project = self.base / "projects" / str(number)
        project.mkdir()
        provider = provider or self.random.choice(("claude-code", "codex-cli"))
        return Session.objects.create_for_path(project, provider=provider)

    def _clear(self) -> None:
        for name in ("projects", "locks"):
            directory = self.base / name
            subprocess.run(["rm", "-rf", directory], check=True)
            directory.mkdir()
        for path in (self.agents_log, self.calls_log, self.worker_log):
            path.write_bytes(b"")

    # --- who works on it ----------------------------------------------------

    def start_worker(
        self, *options: str, program: Sequence[str] = MANAGE, **environment: str
    ) -> subprocess.Popen[bytes]:
        with self.worker_log.open("ab") as log:
            process = subprocess.Popen(
                [*program, "process_jobs", "--concurrency=4", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def stop(self, worker: subprocess.Popen[bytes]) -> None:
        """Tell it to end, which it does in order once it has started."""
        if worker.poll() is None:
            started = f"(process {worker.pid}) started".encode()
            self.until(lambda: started in self.worker_log.read_bytes(), "a worker to be ready")
            worker.terminate()
            self.end(worker)

    def end(self, worker: subprocess.Popen[bytes], patience: float = PATIENCE) -> None:
        """Wait for the worker to end with exit code 0, as it should."""
        if self.exit_code(worker, patience):
            self.broken.add(f"a worker ended with exit code {worker.returncode}")

    def exit_code(self, worker: subprocess.Popen[bytes], patience: float = PATIENCE) -> int:
        """Wait for the worker to end, however it does."""
        self.until(lambda: worker.poll() is not None, "the end of a worker", patience)
        return worker.returncode

    def end_through_trouble(self, worker: subprocess.Popen[bytes]) -> None:
        """Like `end`, but a worker that finds no database when it starts may say so and exit."""
        if self.exit_code(worker) == 1 and not self.is_worker_ready():
            self.inject("the worker could not start")
            self.worker_log.write_bytes(b"")
            self.finish()
        else:
            self.end(worker)

    def wait_until_ready(self) -> None:
        self.until(self.is_worker_ready, "a worker to be ready")

    def is_worker_ready(self) -> bool:
        return b"slots" in self.worker_log.read_bytes()

    def finish(self) -> None:
        """Whatever is left must be runnable: a fresh worker runs it."""
        self.end(self.start_worker("--drain"))

    def answer_to_the_end(self) -> None:
        """A worker runs: answer all that is asked, until all jobs have ended."""

        def has_ended() -> bool:
            self.people.answer_all(self.random.choice((1, 100)))
            return not Job.objects.unfinished().exists()

        self.until(has_ended, "the end of all jobs")

    def finish_answering(self, **environment: str) -> None:
        """Whatever is left must be runnable, once it is answered: a fresh worker runs it."""
        worker = self.start_worker(**environment)
        self.answer_to_the_end()
        self.stop(worker)

    def judge(self) -> None:
        # A connection may have been cut, and a server that was killed may still recover.
        self.until(lambda: Job.objects.exists() or True, "an answer of the database")
        self.problems.extend(oracle.check(self))
        self.summary = oracle.summary()

    def close(self) -> None:
        """Leave nothing behind, whatever went wrong."""
        connection.close()
        for process in self._processes:
            process.kill()
            process.wait()
        for pid in oracle.marked_processes():
            kill(pid)

    # --- waiting ------------------------------------------------------------

    def random_moment(self, longest: float = 0.3) -> None:
        """Wait until some of the agents have started, then a little longer; also at start-up."""
        starts = self.random.randrange(len(self.jobs))
        self.until(lambda: oracle.count_starts(self.agents_log) >= starts, "starts of agents")
        delay = self.random.uniform(0, longest if starts else 1.2)
        self.pass_time(delay)
        self.inject(f"after {starts} starts and {delay:.3f} s")

    def moment_of_claim(self) -> None:
        """Wait until a job was claimed whose agent has probably not started yet."""
        claimed = JobAttempt.objects.open().filter(pid=None)
        deadline = time.monotonic() + PATIENCE
        while not self._holds(claimed.exists) and time.monotonic() < deadline:
            time.sleep(0.0005)  # the moment lasts some milliseconds: no time to look around
        self.inject("at a claim")

    def pass_time(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= deadline, "time")

    def until(self, condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> None:
        """Wait for the condition; meanwhile, look at the database as any reader would."""
        deadline = time.monotonic() + patience
        while not self._holds(condition):
            if time.monotonic() > deadline:
                raise Stuck(f"not within {patience:g} s: {what}")
            began = time.monotonic()
            self.without_database_trouble(self._look)
            # At most a fifth of the time, because the workers need the machine.
            time.sleep(max(0.01, 4 * (time.monotonic() - began)))

    def _holds(self, condition: Callable[[], Any]) -> bool:
        return bool(self.without_database_trouble(condition))

    def without_database_trouble(self, action: Callable[[], Any]) -> Any:
        """What the action gives, None if the database is in trouble."""
        try:
            return action()
        except DatabaseError:
            connection.close()  # one that was cut stays so; the next use opens another
            return None

    def _look(self) -> None:
        _skip_waits()
        self.broken.update(oracle.contradictions())
        # A claim does not wait for the disk: until its start is stored it may be undone, and its
        # prompt is shown anew.
        beginning = JobAttempt.objects.open().filter(pid=None).values("session")
        kept = SessionMessage.objects.exclude(session__in=beginning)
        self.acknowledged.update(kept.values_list("pk", flat=True))

    def inject(self, what: str) -> None:
        self.injected.append(what)


def kill(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).kill()


def _skip_waits() -> None:
    """Let the time pass for which failed jobs wait until they are tried again."""
    waiting = Job.objects.pending().filter(next_retry_at__gt=timezone.now())
    if waiting.exists():
        with transaction.atomic():
            waiting.update(next_retry_at=timezone.now())
            changes.announce(changes.JOBS)
