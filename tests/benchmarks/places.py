"""Where a benchmark runs: a PokéCode of its own on a fresh database, gone afterwards."""

import json
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil
import psycopg
from psycopg.rows import dict_row

from tests.postgres import VARIABLE, with_database
from tests.process.site import ROOT, Database, Site, wait_for

AGENTS = ROOT / "tests" / "benchmarks" / "agents"
PROGRAM_TIMEOUT = 1800
FOR_TESTS = ("PYTHONWARNINGS", "POKECODE_CANCEL_GRACE")
"""What Site sets for tests; here all is as a user has it."""


class Place(Site):
    """A site with the settings that a user has, and programs that measure inside it."""

    def __init__(self, directory: Path, database: Database, **settings: str) -> None:
        super().__init__(directory, database)
        for name in (*FOR_TESTS, "POKECODE_HEARTBEAT_INTERVAL", "POKECODE_WORKER_TIMEOUT"):
            del self.environment[name]
        self.environment.update(settings, PYTHONPATH=str(ROOT))
        self.environment["DJANGO_SETTINGS_MODULE"] = "pokecode_site.settings"

    def use_agent(self, provider: str, *command: object) -> None:
        """Let this command line stand in for "claude" or "codex"."""
        words = shlex.join(map(str, command))
        self.environment[f"POKECODE_{provider.upper()}_COMMAND"] = words

    def program(self, name: str, **options: Any) -> Any:
        """Run a module of tests.benchmarks.programs to its end: what its `main` returned."""
        command = [sys.executable, "-m", "tests.benchmarks.programs", name, json.dumps(options)]
        return answer(command, self.environment)

    @contextmanager
    def ready_worker(self, *options: str) -> Iterator[psutil.Process]:
        """A job processor that waits for jobs."""
        with self.worker(*options) as process:
            wait_for(lambda: self.rows("SELECT id FROM job_workers"), what="a worker's row")
            yield psutil.Process(process.pid)


def answer(command: Sequence[str], environment: dict[str, str]) -> Any:
    """The JSON in the last line that a command prints."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT
    )
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


class Server(Protocol):
    """A kind of database: makes fresh ones, migrated."""

    name: str

    def database(self, directory: Path) -> Any:
        """A context that makes a database beside `directory` and removes it."""


class SqliteServer:
    name = "SQLite"

    def __init__(self, directory: Path) -> None:
        self._template = _migrated(directory / "sqlite", {})

    @contextmanager
    def database(self, directory: Path) -> Iterator[Database]:
        yield Database(directory, self._template)


class PostgresServer:
    name = "PostgreSQL"

    def __init__(self, directory: Path, url: str) -> None:
        self._url = url
        self._name = f"pokecode_benchmark_{secrets.token_hex(4)}"
        self._count = 0
        try:
            self._execute(f"CREATE DATABASE {self._name}")
        except psycopg.OperationalError as error:
            raise SystemExit(f"No PostgreSQL: set {VARIABLE} or give --database sqlite.") from error
        environment = {"DATABASE_URL": with_database(url, self._name)}
        self._template = _migrated(directory / "postgresql", environment)

    @contextmanager
    def database(self, directory: Path) -> Iterator[Database]:
        self._count += 1
        name = f"{self._name}_{self._count}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._name}")
        try:
            yield PostgresDatabase(directory, self._template, with_database(self._url, name))
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._execute(f"DROP DATABASE {self._name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(with_database(self._url, "postgres"), autocommit=True) as link:
            link.execute(statement)


class PostgresDatabase(Database):
    def __init__(self, directory: Path, template: Path, url: str) -> None:
        super().__init__(directory, template)
        self.environment = {"DATABASE_URL": url}

    def rows(self, query: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]]:
        with psycopg.connect(self.environment["DATABASE_URL"], row_factory=dict_row) as link:
            return link.execute(query.replace("?", "%s"), parameters).fetchall()


def _migrated(directory: Path, environment: dict[str, str]) -> Path:
    """A data directory whose database has all tables."""
    directory.mkdir(mode=0o700)
    common = {
        "PATH": os.environ["PATH"],
        "POKECODE_DATA_DIR": str(directory),
        "POKECODE_PROJECT_ROOTS": str(directory),
    }
    migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"]
    subprocess.run(migrate, env={**common, **environment}, check=True)
    return directory
