"""A hundred agents at once in one worker: what each costs it, and how late their lines are."""

import sys
from collections.abc import Iterator

from tests.benchmarks import processes
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, Rounds, at_most
from tests.benchmarks.places import AGENTS, Place

AGENT_COUNT = 100
LINES, PAUSE = 50, 0.2


def measure(bench: Bench) -> Iterator[Figure]:
    rounds = Rounds()
    for server in bench.turns():
        with bench.place(server) as place:
            _crowd(place, rounds, server.name, bench.count(LINES))
    for server in bench.servers:
        yield from _figures(rounds, server.name)


def _crowd(place: Place, rounds: Rounds, name: str, lines: int) -> None:
    place.use_agent("claude", sys.executable, "-IS", AGENTS / "steady.py", lines, PAUSE)
    options = {"directory": str(place.projects), "agents": AGENT_COUNT, "lines": lines}
    with place.ready_worker(f"--concurrency={AGENT_COUNT}") as worker:
        before = processes.cpu_seconds(worker)
        seen, growth = processes.peak_growth(worker, lambda: place.program("sights", **options))
        taken = processes.cpu_seconds(worker) - before
        rounds.add(f"{name} peak", processes.peak_memory(worker))
    rounds.add(f"{name} seen", *seen)
    rounds.add(f"{name} memory", growth / AGENT_COUNT)
    rounds.add(f"{name} processor", 100 * taken / (lines * PAUSE) / AGENT_COUNT)


def _figures(rounds: Rounds, name: str) -> Iterator[Figure]:
    what = f"{name}: 100 agents"
    yield Figure(f"{what}, worker's peak memory", "MB", rounds[f"{name} peak"])
    yield Figure(f"{what}, memory for each", "MB", rounds[f"{name} memory"])
    yield Figure(f"{what}, worker's processor for each", "% of a core", rounds[f"{name} processor"])
    yield Figure(f"{what}, printed to seen", "ms", rounds[f"{name} seen"])
    yield Figure(
        f"{what}, printed to seen, p95", "ms", rounds[f"{name} seen"], 95, wanted=at_most(100)
    )
