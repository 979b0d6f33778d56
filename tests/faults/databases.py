"""The databases of the runs: migrated once, fresh for each run, and free to be harmed."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
from django.db import connection

DISK_SIZE = "8m"  # the write-ahead log alone takes 4 MB before it is written back


class SQLite:
    """A file in the data directory of the runs."""

    name = "sqlite"

    def __init__(self, base: Path) -> None:
        self.data_directory = base / "data"
        self._template = base / "template"
        self._path = self.data_directory / "pokecode.sqlite3"
        self.url = f"sqlite:///{quote(str(self._path))}"
        self.environment = {"DATABASE_URL": self.url}

    def keep_as_template(self) -> None:
        shutil.copytree(self.data_directory, self._template)

    def reset(self) -> None:
        self._fill_from(self._template)

    def _fill_from(self, source: Path) -> None:
        for old in self.data_directory.iterdir():
            old.unlink() if old.is_file() else shutil.rmtree(old)
        shutil.copytree(source, self.data_directory, dirs_exist_ok=True)

    def close(self) -> None:
        """Nothing runs."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another program is writing while the block runs."""
        link = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        try:
            link.execute("BEGIN EXCLUSIVE")
            yield
        finally:
            link.close()

    def is_held(self) -> bool:
        """Whether somebody is keeping everybody else from writing."""
        link = sqlite3.connect(self._path, isolation_level=None, timeout=1)
        try:
            link.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        finally:
            link.close()
        return False

    @contextmanager
    def on_small_disk(self) -> Iterator[Path]:
        """The data directory on a small disk of its own; yields it. Needs the right to mount."""
        connection.close()
        disk, kept = str(self.data_directory), self.data_directory.with_name("kept")
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE},mode=700", "tmpfs"]
        subprocess.run([*mount, disk], check=True)
        try:
            self.reset()
            yield self.data_directory
        finally:
            connection.close()
            shutil.copytree(disk, kept)
            subprocess.run(["umount", "--lazy", disk], check=True)
            self._fill_from(kept)
            shutil.rmtree(kept)


class PostgreSQL:
    """A database of a server of our own, which may be killed."""

    name = "postgresql"

    def __init__(self, base: Path) -> None:
        self.data_directory = base / "data"
        self._server = Server()
        self.url = self._server.url("faults")
        self.environment = {"DATABASE_URL": self.url}
        self._server.execute("CREATE DATABASE faults")

    def keep_as_template(self) -> None:
        self._server.execute("ALTER DATABASE faults RENAME TO template")
        self.reset()

    def reset(self) -> None:
        self._server.execute("DROP DATABASE IF EXISTS faults WITH (FORCE)")
        self._server.execute("CREATE DATABASE faults TEMPLATE template")

    def close(self) -> None:
        self._server.close()

    def is_held(self) -> bool:
        """Never: rows are locked, not the database."""
        return False

    def cut_connections(self) -> int:
        """End every connection to the database; returns how many there were."""
        return self._server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'faults'"
        )

    @contextmanager
    def killed(self) -> Iterator[None]:
        """The server is killed with all its processes, and started again after the block."""
        self._server.kill()
        try:
            yield
        finally:
            self._server.start()

    def kill_one_backend(self) -> None:
        """Like a crash of one connection's process: the server then restarts all of them."""
        self._server.kill_a_backend("faults")


class Server:
    """A PostgreSQL server on a socket in a directory of its own."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="pokecode-faults-pg-"))
        self._data = self._directory / "data"
        # The server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._directory, self._user)
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def url(self, database: str) -> str:
        return f"postgres://postgres@{quote(str(self._directory), safe='')}/{database}"

    def start(self) -> None:
        options = f"-c listen_addresses= -c fsync=off -c max_connections=200 -k {self._directory}"
        log = str(self._directory / "log")
        self._run("pg_ctl", "start", "-w", "-l", log, "-o", options)

    def execute(self, statement: str) -> int:
        """Run one statement; returns how many rows it gave."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as link:
            return link.execute(statement.encode()).rowcount

    def kill(self) -> None:
        server = self._process()
        everything = [server, *server.children(recursive=True)]
        for process in everything:
            process.kill()
        psutil.wait_procs(everything, timeout=10)

    def kill_a_backend(self, database: str) -> None:
        for process in self._process().children():
            if f" {database} " in " ".join(process.cmdline()):
                process.kill()
                return

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._directory)

    def _process(self) -> psutil.Process:
        return psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(_binaries() / program), "-D", str(self._data), *arguments],
            cwd=self._directory,
            env={"PATH": os.environ["PATH"]},  # nothing that could make it look like a run's
            user=self._user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")


def _binaries() -> Path:
    """Where the newest installed server's programs are; not on PATH on Debian."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=None)
    program = newest or shutil.which("initdb")
    if program is None:
        raise SystemExit("No PostgreSQL server is installed: install it, or use sqlite.")
    return Path(program).parent


DATABASES = {database.name: database for database in (SQLite, PostgreSQL)}
