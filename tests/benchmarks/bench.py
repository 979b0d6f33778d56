"""What every benchmark is given: databases to run on, how often, and fresh places."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.places import Place, PostgresServer, Server, SqliteServer


@dataclass(frozen=True, slots=True)
class Bench:
    """`scale` multiplies how much is done in a round: below 1 for a quick look."""

    servers: Sequence[Server]
    rounds: int
    scale: float

    def count(self, full: int) -> int:
        return max(1, round(full * self.scale))

    def turns(self) -> Iterator[Server]:
        """Each database in each round, in turn, so that a busy minute hits all alike."""
        for _ in range(self.rounds):
            yield from self.servers

    @contextmanager
    def place(self, server: Server, **settings: str) -> Iterator[Place]:
        with (
            tempfile.TemporaryDirectory(prefix="pokecode-benchmark-") as name,
            ExitStack() as stack,
        ):
            directory = Path(name)
            database = stack.enter_context(server.database(directory))
            yield Place(directory, database, **settings)


@contextmanager
def servers(names: Sequence[str], postgres_url: str) -> Iterator[list[Server]]:
    """The databases of these names, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="pokecode-benchmark-") as name, ExitStack() as stack:
        directory = Path(name)
        found: list[Server] = []
        if "sqlite" in names:
            found.append(SqliteServer(directory))
        if "postgresql" in names:
            postgres = PostgresServer(directory, postgres_url)
            stack.callback(postgres.close)
            found.append(postgres)
        yield found
