"""Faults of the databases and of the connections to them."""

import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from jobs_app import queue
from jobs_app.models import Job, JobAttempt, SessionHost, Worker
from jobs_app.processes.host import this_host
from sessions_app.models import Session
from tests.faults import oracle
from tests.faults.registry import ON_POSTGRESQL, ON_SQLITE, fault
from tests.faults.world import World
from tests.process.link import Link

ELSEWHERE = (sys.executable, "-m", "tests.process.elsewhere")
CUT_OFF_TIMEOUT = 4


@fault(ON_SQLITE)
def database_locked(world: World) -> None:
    """Another program holds the write lock for seconds, for more or less than anyone waits."""
    world.submit(4, 3)
    wait = world.random.choice((1, 30))
    worker = world.start_worker("--drain", DATABASE_URL=f"{world.database.url}?timeout={wait}")
    world.random_moment()
    seconds = 30.0 if world.is_long else world.random.uniform(0.5, 3)
    with world.database.locked():
        world.pass_time(seconds)
    world.inject(f"locked for {seconds:.1f} s, waited for {wait} s")
    world.end_through_trouble(worker)


@fault(ON_SQLITE)
def disk_full(world: World) -> None:
    """The disk of the database fills up, and has room again a moment later."""
    with world.database.on_small_disk() as disk:
        world.submit(4, 3)
        worker = world.start_worker("--drain")
        world.random_moment()
        _fill(disk / "fill")
        world.inject("disk full")
        world.pass_time(world.random.uniform(0.2, 2))
        (disk / "fill").unlink()
        world.inject("room again")
        world.end_through_trouble(worker)


@fault(ON_POSTGRESQL)
def connections_cut(world: World) -> None:
    """The server ends every connection, a few times."""
    world.submit(4, 3)
    worker = world.start_worker("--drain")
    for _ in range(world.random.choice((1, 3))):
        world.random_moment()
        world.inject(f"{world.database.cut_connections()} connections cut")
    world.end_through_trouble(worker)


@fault(ON_POSTGRESQL)
def server_killed(world: World) -> None:
    """kill -9 of the whole server, and a while without it."""
    world.submit(4, 3)
    worker = world.start_worker("--drain")
    world.random_moment()
    with world.database.killed():
        world.inject("kill -9 of the server")
        world.pass_time(world.random.choice((0, 0.5, 1.5)))
    world.end_through_trouble(worker)


@fault(ON_POSTGRESQL)
def backend_killed(world: World) -> None:
    """kill -9 of one connection's process: the server ends all others and recovers."""
    world.submit(4, 3)
    worker = world.start_worker("--drain")
    world.random_moment()
    world.database.kill_one_backend()
    world.inject("kill -9 of a backend")
    world.end_through_trouble(worker)


@fault(ON_POSTGRESQL)
def host_cut_off(world: World) -> None:
    """A worker on another host loses the database for longer than its timeout, then finds it again.

    Meanwhile a worker on this host runs what does not belong there, and a session that is moved.
    """
    world.submit(4, 2)
    is_over = world.base / "projects" / "is-over"
    sessions = list(Session.objects.order_by("pk"))
    long = [world.submit_one(each, sleep=600, quick_if=str(is_over)) for each in sessions]
    link = Link(world.database.url)
    patient = {"POKECODE_WORKER_TIMEOUT": str(CUT_OFF_TIMEOUT)}
    away = world.start_worker(program=(*ELSEWHERE, "away"), DATABASE_URL=link.url, **patient)
    world.wait_until_ready()
    _wait_for_agent(world, world.random.choice(long))
    silently = world.random.choice((False, True))
    link.cut(silently=silently)
    world.inject("cut off, and not told" if silently else "cut off, and refused")
    world.until(_is_every_host_gone, "the host that was cut off to seem gone")
    if oracle.marked_processes():
        world.broken.add("agents of a host that counts as gone live on")
    is_over.touch()
    here = world.start_worker(**patient)
    _move_one_session(world)
    world.pass_time(world.random.choice((0, 1)))
    link.restore()
    world.until(lambda: not Job.objects.unfinished().exists(), "the end of all jobs")
    for worker in (away, here):
        worker.terminate()
        world.end(worker)
    link.close()


def _is_every_host_gone() -> bool:
    silent_since = timezone.now() - timedelta(seconds=CUT_OFF_TIMEOUT)
    return not Worker.objects.filter(heartbeat_at__gt=silent_since).exists()


def _wait_for_agent(world: World, job: Job) -> None:
    runs = JobAttempt.objects.open().filter(job=job, pid__isnull=False)
    world.until(runs.exists, "the start of an agent")
    world.pass_time(world.random.uniform(0, 0.3))


def _move_one_session(world: World) -> None:
    settled = list(SessionHost.objects.order_by("session_id").select_related("session"))
    if settled:
        queue.move(world.random.choice(settled).session, this_host().name)
        world.inject("a session moved")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))
