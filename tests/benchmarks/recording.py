"""What agents print, on its way to readers: how fast, how late, and at what cost in memory."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import processes, streams
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, Rounds, at_least, at_most
from tests.benchmarks.places import AGENTS, Place

AGENT_COUNT = 8
BURST_LINES = 4000
STEADY_LINES, STEADY_PAUSE = 150, 0.05
FLOOD_LINES = 200 * 1024
"""Of 1 KiB each: 200 MiB."""

BOUNDED = 64
"""Megabytes: well below the stream, which a worker must not hold."""


def measure(bench: Bench) -> Iterator[Figure]:
    rounds = Rounds()
    with tempfile.TemporaryDirectory(prefix="pokecode-benchmark-") as name:
        burst = streams.write(Path(name) / "burst", bench.count(BURST_LINES))
        writing = streams.write_with_drafts(Path(name) / "writing", bench.count(BURST_LINES))
        flood = streams.write(Path(name) / "flood", bench.count(FLOOD_LINES))
        for server in bench.turns():
            with bench.place(server) as place:
                _burst(place, rounds, f"{server.name} burst", burst)
            with bench.place(server) as place:
                _burst(place, rounds, f"{server.name} writing", writing)
            with bench.place(server) as place:
                bulks = place.program("bulks", **_burst_options(place, burst))
                for way, rate in bulks.items():
                    rounds.add(f"{server.name} {way}", rate)
            with bench.place(server) as place:
                _steady(place, rounds, server.name, bench.count(STEADY_LINES))
            with bench.place(server) as place:
                _flood(place, rounds, server.name, flood)
    for server in bench.servers:
        yield from _figures(rounds, server.name)
        yield from _flood_figures(rounds, server.name, bench.count(FLOOD_LINES) // 1024)


def _burst_options(place: Place, stream: Path) -> dict[str, object]:
    return {"directory": str(place.projects), "agents": AGENT_COUNT, "stream": str(stream)}


def _burst(place: Place, rounds: Rounds, name: str, stream: Path) -> None:
    place.use_agent("claude", "/bin/sh", "-c", 'exec cat "$0"', stream)
    with place.ready_worker(f"--concurrency={AGENT_COUNT}"):
        rounds.add(name, place.program("bursts", **_burst_options(place, stream)))


def _steady(place: Place, rounds: Rounds, name: str, lines: int) -> None:
    place.use_agent("claude", sys.executable, "-IS", AGENTS / "steady.py", lines, STEADY_PAUSE)
    with place.ready_worker(f"--concurrency={AGENT_COUNT}"):
        options = {"directory": str(place.projects), "agents": AGENT_COUNT, "lines": lines}
        rounds.add(f"{name} seen", *place.program("sights", **options))


def _flood(place: Place, rounds: Rounds, name: str, stream: Path) -> None:
    pipe = place.directory / "pipe"
    place.use_agent("claude", "/bin/sh", AGENTS / "flood.sh", pipe, stream)
    options = {"directory": str(place.projects), "pipe": str(pipe), "stream": str(stream)}
    with place.ready_worker() as worker:
        seconds, growth = processes.peak_growth(worker, lambda: place.program("floods", **options))
    rounds.add(f"{name} flood memory", growth)
    for what, taken in seconds.items():
        rounds.add(f"{name} flood {what}", taken)


def _figures(rounds: Rounds, name: str) -> Iterator[Figure]:
    yield Figure(
        f"{name}: messages of 8 agents",
        "/s",
        rounds[f"{name} burst"],
        reference=rounds.reference(f"{name} bulk_create", "bulk_create"),
        limit=rounds.reference(f"{name} executemany", "executemany"),
        wanted=at_least(1, of_ratio=True),
    )
    yield Figure(
        f"{name}: messages of 8 agents that show what they write",
        "/s",
        rounds[f"{name} writing"],
        reference=rounds.reference(f"{name} burst", "without drafts"),
        wanted=at_least(0.9, of_ratio=True),
    )
    seen = rounds[f"{name} seen"]
    yield Figure(f"{name}: printed to seen", "ms", seen)
    yield Figure(f"{name}: printed to seen, p95", "ms", seen, 95)
    yield Figure(f"{name}: printed to seen, slowest", "ms", seen, 100, wanted=at_most(100))


def _flood_figures(rounds: Rounds, name: str, megabytes: int) -> Iterator[Figure]:
    what = f"{name}: {megabytes} MB at once"
    bare = rounds.reference(f"{name} flood bare", "bare pipe")
    yield Figure(f"{what}, printed", "s", rounds[f"{name} flood printed"], limit=bare)
    yield Figure(f"{what}, stored", "s", rounds[f"{name} flood stored"])
    memory = rounds[f"{name} flood memory"]
    yield Figure(f"{what}, growth of the worker", "MB", memory, wanted=at_most(BOUNDED))
