"""Faults of workers, agents and clocks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from jobs_app.models import Job, JobAttempt, Worker
from sessions_app.models import Session
from tests.faults import oracle
from tests.faults.registry import ON_BOTH, fault
from tests.faults.world import Stuck, World, kill
from tests.process.running import Up

SHIFTED = (sys.executable, "-m", "tests.faults.shifted")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@fault(ON_BOTH)
def worker_killed(world: World) -> None:
    """kill -9 of the worker at a random moment, once or twice; its agents live on."""
    world.submit(4, 3)
    for _ in range(world.random.choice((1, 1, 2))):
        worker = world.start_worker()
        world.random_moment()
        _kill(world, worker)
    world.finish()


@fault(ON_BOTH)
def worker_and_agents_killed(world: World) -> None:
    """As after a power cut: nothing of the worker or its runs lives on."""
    world.submit(4, 3)
    worker = world.start_worker()
    world.random_moment()
    worker.kill()
    worker.wait()
    left = oracle.marked_processes()
    for pid in left:
        kill(pid)
    world.inject(f"kill -9 of the worker and {len(left)} processes of its runs")
    world.finish()


@fault(ON_BOTH)
def up_killed(world: World) -> None:
    """kill -9 of `up`: the job processor, its child, must end by itself, agents included."""
    world.submit(4, 3)
    with Up(world.base / "home", environment=os.environ) as up:
        world.random_moment()
        up.process.kill()
        up.process.wait()
        world.inject("kill -9 of `up`")
        world.until(lambda: not up.family(), "the end of all that `up` had started", 20)
    world.finish()


@fault(ON_BOTH)
def agents_killed(world: World) -> None:
    """kill -9 of running agents, a few times; what their tools started must end too."""
    world.submit(4, 2)
    worker = world.start_worker("--drain")
    for _ in range(2):
        world.random_moment()
        agents = [pid for run in JobAttempt.objects.open() if (pid := run.pid)]
        for pid in agents:
            kill(pid)
        world.inject(f"kill -9 of {len(agents)} agents")
    world.end(worker)


@fault(ON_BOTH)
def poison(world: World) -> None:
    """A job whose agent kills its worker at each run: only that job fails, and says why."""
    world.submit(3, 1)
    Job.objects.update(max_attempts=20)  # what runs beside it is lost with each of the workers
    session = world.random.choice(list(Session.objects.order_by("pk")))
    reason = "died during this attempt, the last of 3"
    world.submit_one(session, failure=reason, kill_worker=True, lines=0)
    world.submit_one(session)
    for _ in range(3):
        code = world.exit_code(world.start_worker("--drain"))
        world.inject(f"a worker ended with exit code {code}")
        if code != -signal.SIGKILL:
            world.broken.add("a worker was not killed by its job")
    world.finish()


@fault(ON_BOTH)
def stopped_once(world: World) -> None:
    """SIGTERM or SIGINT: what is running ends by itself, and nothing new begins."""
    world.submit(4, 3)
    worker = world.start_worker()
    world.wait_until_ready()
    world.random_moment()
    number = world.random.choice(STOP_SIGNALS)
    worker.send_signal(number)
    world.inject(number.name)
    world.end(worker)
    _expect_orderly_end(world, "succeeded")
    world.finish()


@fault(ON_BOTH)
def stopped_twice(world: World) -> None:
    """Two signals: what is running is interrupted and given back, and costs no attempt."""
    world.submit(4, 3, sleep=0.3)
    worker = world.start_worker()
    world.wait_until_ready()
    world.random_moment()
    first, second = world.random.sample(STOP_SIGNALS, 2)
    worker.send_signal(first)
    world.pass_time(world.random.choice((0, 0, 0.05, 0.2)))
    worker.send_signal(second)
    world.inject(f"{first.name}, then {second.name}")
    world.end(worker)
    _expect_orderly_end(world, "succeeded", "interrupted")
    if Job.objects.pending().filter(attempts__gt=0).exists():
        world.broken.add("an interruption has cost a job an attempt")
    world.finish()


@fault(ON_BOTH)
def worker_frozen(world: World) -> None:
    """SIGSTOP until another worker has taken over, then SIGCONT."""
    world.submit(4, 3)
    first = world.start_worker("--drain")
    world.wait_until_ready()
    world.random.choice((world.random_moment, world.moment_of_claim))()
    first.send_signal(signal.SIGSTOP)
    world.inject("SIGSTOP")
    world.until(lambda: not Worker.objects.alive().exists(), "the frozen worker to seem dead")
    second = world.start_worker("--drain")
    _wait_for_take_over(world, second)
    world.pass_time(world.random.choice((0, 0.1, 0.5)))
    first.send_signal(signal.SIGCONT)
    world.inject("SIGCONT")
    world.end(first)
    world.end(second)
    world.finish()


@fault(ON_BOTH)
def many_workers(world: World) -> None:
    """Two, four or eight workers that start together on one queue."""
    workers = world.random.choice((2, 4, 8))
    world.submit(*((100, 20) if world.is_long else (10, 4)), lines=2, pause=0, sleep=0)
    patient = {"POKECODE_WORKER_TIMEOUT": "30"}  # so many processes on few cores are slow
    processes = [world.start_worker("--drain", **patient) for _ in range(workers)]
    world.inject(f"{workers} workers, {len(world.jobs)} jobs")
    for process in processes:
        world.end(process, patience=900 if world.is_long else 60)
    if JobAttempt.objects.count() != len(world.jobs):
        world.broken.add("some job was run more than once although nothing had failed")


@fault(ON_BOTH)
def clock_set_back(world: World) -> None:
    """The worker's clock goes back at a random moment; a worker with a true clock ends it.

    tests/faults/shifted.py says what "clock" covers.
    """
    world.submit(4, 2)
    world.clocks_agree = False
    switch = world.base / "clock"
    seconds = world.random.choice((2, 60, 3600))
    _write(switch, "0")
    worker = world.start_worker(program=(*SHIFTED, str(switch)))
    world.wait_until_ready()
    world.random_moment()
    _write(switch, str(seconds))
    world.inject(f"{seconds} s back")
    world.random_moment()
    _kill(world, worker)
    world.finish()


@fault(ON_BOTH)
def submitter_in_the_past(world: World) -> None:
    """A prompt that comes from a process whose clock is behind is still the session's last."""
    world.submit(2, 2)
    switch = world.base / "clock"
    seconds = world.random.choice((2, 60, 3600))
    _write(switch, str(seconds))
    for session in Session.objects.order_by("pk"):
        world.submit_by_command(session, program=(*SHIFTED, str(switch)))
    world.inject(f"a prompt a session from {seconds} s ago")
    world.finish()


def _wait_for_take_over(world: World, worker: "subprocess.Popen[bytes]") -> None:
    """Unless the frozen one holds SQLite's write lock: then nobody can write before it wakes."""
    try:
        world.until(lambda: _has_taken_over(worker), "another worker to take over", 10)
    except Stuck:
        if not world.database.is_held():
            raise
        world.inject("in the middle of a write")


def _has_taken_over(worker: "subprocess.Popen[bytes]") -> bool:
    holders = Worker.objects.alive().filter(pid=worker.pid).values("pk")
    others = JobAttempt.objects.open().exclude(worker_id__in=holders)
    return worker.poll() is not None or (holders.exists() and not others.exists())


def _expect_orderly_end(world: World, *outcomes: str) -> None:
    if JobAttempt.objects.open().exists() or Worker.objects.exists():
        world.broken.add("a worker that was stopped cleanly left an attempt or its row")
    for outcome in JobAttempt.objects.exclude(outcome__in=outcomes).values_list("outcome"):
        world.broken.add(f"a worker that was stopped cleanly ended an attempt as {outcome[0]}")
    if oracle.marked_processes():
        world.broken.add("a worker that was stopped cleanly left processes")


def _write(path: Path, text: str) -> None:
    """All at once: a reader sees all or nothing."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.rename(path)


def _kill(world: World, worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()
    worker.wait()
    world.inject("kill -9 of the worker")
