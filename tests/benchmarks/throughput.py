"""Jobs a second of one worker: with an agent that does nothing, and with a process for each."""

from collections.abc import Iterator

from tests.benchmarks import peers
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, Rounds, Wanted, at_least
from tests.benchmarks.places import Place

PEERS = {"SQLite": ("django-tasks-db", "huey"), "PostgreSQL": ("procrastinate",)}
WANTED = {
    ("SQLite", "django-tasks-db"): at_least(1000),
    ("PostgreSQL", "procrastinate"): at_least(2, of_ratio=True),
}
NULL_JOBS, PROCESS_JOBS = 2000, 1000
CONCURRENCY, SESSIONS = 100, 200
COMMAND = "/bin/true"


def measure(bench: Bench) -> Iterator[Figure]:
    rounds = Rounds()
    for server in bench.turns():
        name = server.name
        with bench.place(server) as place:
            rounds.add(f"{name} null", _drain(place, bench.count(NULL_JOBS), null=True))
        for peer in PEERS[name]:
            with bench.place(server) as place:
                rounds.add(
                    f"{name} {peer}", peers.run(peer, "drain", place, bench.count(NULL_JOBS))
                )
        with bench.place(server, POKECODE_CLAUDE_COMMAND=COMMAND) as place:
            _processes(place, rounds, name, bench.count(PROCESS_JOBS))
    for server in bench.servers:
        yield from _figures(rounds, server.name)


def _drain(place: Place, count: int, *, null: bool) -> float:
    options = {"count": count, "concurrency": CONCURRENCY, "null": null}
    sessions = min(SESSIONS, count)
    return place.program("drain", directory=str(place.projects), sessions=sessions, **options)


def _processes(place: Place, rounds: Rounds, name: str, count: int) -> None:
    options = {"command": COMMAND, "count": count, "concurrency": CONCURRENCY}
    rounds.add(f"{name} bare", place.program("spawns", **options))
    rounds.add(f"{name} process", _drain(place, count, null=False))


def _figures(rounds: Rounds, name: str) -> Iterator[Figure]:
    for peer in PEERS[name]:
        yield Figure(
            f"{name}: no-op jobs",
            "/s",
            rounds[f"{name} null"],
            reference=rounds.reference(f"{name} {peer}", peer),
            wanted=WANTED.get((name, peer)),
        )
    yield Figure(
        f"{name}: jobs with a process each",
        "/s",
        rounds[f"{name} process"],
        limit=rounds.reference(f"{name} bare", "bare processes"),
        wanted=Wanted(">=", 0.6, of_ratio=True),
    )
