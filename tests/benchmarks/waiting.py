"""How long a job, and a cancel, wait for an idle worker; what the worker costs while idle."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.benchmarks import peers, processes
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, Rounds, at_most
from tests.benchmarks.places import AGENTS, Place
from tests.process.running import Up

IDLE_SECONDS = 20


def measure(bench: Bench) -> Iterator[Figure]:
    rounds = Rounds()
    for server in bench.turns():
        with bench.place(server) as place:
            _ours(place, rounds, server.name, bench)
        with bench.place(server) as place:
            _limit(place, rounds, server.name, bench)
            peer = peers.WAITING[server.name]
            rounds.add(f"{server.name} peer", *peers.run(peer, "starts", place, bench.count(10)))
    for server in bench.servers:
        yield from _figures(rounds, server.name)


def _ours(place: Place, rounds: Rounds, name: str, bench: Bench) -> None:
    pipe = place.directory / "pipe"
    place.use_agent("claude", "/bin/sh", AGENTS / "knock.sh", pipe)
    place.use_agent("codex", "/bin/sh", AGENTS / "linger.sh", pipe)
    quick, long = place.session(), place.session("two", "--provider", "codex-cli")
    with _up(place, quick) as worker:
        starts = place.program("starts", session=quick, pipe=str(pipe), count=bench.count(40))
        rounds.add(f"{name} claimed", *starts["claimed"])
        rounds.add(f"{name} started", *starts["started"])
        cancels = place.program("cancels", session=long, pipe=str(pipe), count=bench.count(15))
        rounds.add(f"{name} cancelled", *cancels)
        rounds.add(f"{name} idle", _idle_share(worker))


@contextmanager
def _up(place: Place, session: str) -> Iterator[psutil.Process]:
    """The site with its worker as a user runs them, and one page open; yields the worker."""
    with Up(Path(place.environment["HOME"]), environment=place.environment) as up:
        up.wait_until_ready()
        page = up.url(f"/admin/sessions_app/session/{session}/events/")
        with up.log_in().open(page, timeout=60):
            yield up.workers()[0]


def _idle_share(process: psutil.Process) -> float:
    """Percent of a core that a process takes while nothing is asked of it."""
    before, began = processes.cpu_seconds(process), time.monotonic()
    time.sleep(IDLE_SECONDS)
    taken, elapsed = processes.cpu_seconds(process) - before, time.monotonic() - began
    return 100 * taken / elapsed


def _limit(place: Place, rounds: Rounds, name: str, bench: Bench) -> None:
    pipe = place.directory / "pipe"
    command = ["/bin/sh", str(AGENTS / "knock.sh"), str(pipe)]
    delays = place.program("rings", command=command, pipe=str(pipe), count=bench.count(40))
    rounds.add(f"{name} limit", *delays)


def _figures(rounds: Rounds, name: str) -> Iterator[Figure]:
    started, cancelled = rounds[f"{name} started"], rounds[f"{name} cancelled"]
    peer = rounds.reference(f"{name} peer", peers.WAITING[name])
    limit = rounds.reference(f"{name} limit", "ring and start")
    yield Figure(f"{name}: commit to claim", "ms", rounds[f"{name} claimed"])
    yield Figure(
        f"{name}: commit to agent", "ms", started, reference=peer, limit=limit, wanted=at_most(5)
    )
    yield Figure(f"{name}: commit to agent, p95", "ms", started, 95, wanted=at_most(20))
    yield Figure(f"{name}: cancel to signal", "ms", cancelled)
    yield Figure(f"{name}: cancel to signal, slowest", "ms", cancelled, 100, wanted=at_most(50))
    idle = rounds[f"{name} idle"]
    yield Figure(f"{name}: idle worker", "% of a core", idle, wanted=at_most(1))
