"""A million jobs: what a worker's maintenance keeps waiting there, and what a claim takes."""

from collections.abc import Iterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, Rounds, Wanted, at_most

JOBS, SESSIONS = 1_000_000, 100_000
OLD = 0.1
"""The share of jobs that ended longer ago than they are kept."""

PROMPTS, CLAIMS = 100_000, 50
SWEEPS = {
    "rescue": "rescue",
    "prune": "prune of old jobs",
    "idle prune": "prune of none",
}


def measure(bench: Bench) -> Iterator[Figure]:
    rounds = Rounds()
    sizes = {"jobs": bench.count(JOBS), "sessions": bench.count(SESSIONS)}
    for server in bench.turns():
        with bench.place(server) as place:
            found = place.program("sweeps", directory=str(place.projects), old=OLD, **sizes)
            for sweep, kept in found.items():
                for whom, longest in kept.items():
                    rounds.add(f"{server.name} {sweep} {whom}", longest)
            claims = place.program("claims", prompts=bench.count(PROMPTS), count=CLAIMS)
            for where, taken in claims.items():
                rounds.add(f"{server.name} claim {where}", *taken)
    for server in bench.servers:
        yield from _figures(rounds, server.name, f"{sizes['jobs']:,} jobs")


def _figures(rounds: Rounds, name: str, jobs: str) -> Iterator[Figure]:
    alone = rounds.reference(f"{name} alone others", "without maintenance")
    for sweep, what in SWEEPS.items():
        others, thread = rounds[f"{name} {sweep} others"], rounds[f"{name} {sweep} thread"]
        title = f"{name}: {jobs}, {what}"
        yield Figure(f"{title}, longest enqueue", "ms", others, 100, alone, wanted=at_most(100))
        yield Figure(f"{title}, longest in the worker", "ms", thread, 100, wanted=at_most(100))
    yield Figure(
        f"{name}: {jobs}, claim behind a long queue",
        "ms",
        rounds[f"{name} claim deep"],
        reference=rounds.reference(f"{name} claim alone", "alone"),
        wanted=Wanted("<=", 2, of_ratio=True),
    )
