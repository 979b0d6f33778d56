"""The database: its settings, and its failures in one sentence each."""

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from pokecode_site.conf import data_directory, env

SQLITE_OPTIONS = {
    # The lock of all writers is taken when a transaction begins, not at its first write: what it
    # has read stays so until it ends. Claims and leases (jobs_app.claiming, jobs_app.leases) rely
    # on this where PostgreSQL locks rows.
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
        "PRAGMA cache_size=-64000; PRAGMA temp_store=MEMORY; "
        "PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=ON;"
    ),
}

# A network that drops everything is noticed within half a minute, not a quarter of an hour.
POSTGRESQL_OPTIONS = {
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    # A worker's repeated queries are planned once per connection: a third less waiting.
    "server_side_binding": True,
    "prepare_threshold": 3,
}

# What the two drivers say (PostgreSQL's after its SQLSTATE), and what to do about it.
TROUBLES = (
    (
        r"deadlock detected|^40P01",
        "Something else changed the same rows at the same moment: try again.",
    ),
    (
        r"database (table )?is locked|^55P03",
        "The database is locked by another program: end that program or try again later.",
    ),
    (
        r"database or disk is full|No space left on device|^53100",
        "The disk that holds the database is full: make room and try again.",
    ),
    (
        r"no such (table|column)|has no column|^42P01|^42703",
        "The database is not up to date. Run `manage.py migrate` first.",
    ),
    (
        r"unable to open database file",
        "The database file cannot be opened: check DATABASE_URL and its directory's permissions.",
    ),
    (
        r"readonly database|^42501",
        "The database cannot be written to: check its owner and its permissions.",
    ),
    (
        r"file is not a database|malformed",
        "The database file is damaged or not an SQLite database: restore it from a backup.",
    ),
    (
        r"disk I/O error",  # also on a disk so full that the log's index cannot grow
        "The disk that holds the database is full or failing: make room or check the disk.",
    ),
    (
        r"authentication failed|no password supplied|^28",
        "The database refuses the login: check the user and the password in DATABASE_URL.",
    ),
    (
        r"database .* does not exist|^3D000",
        "There is no such database on the server: create it or check DATABASE_URL.",
    ),
    (
        r"connection (to server|failed|timeout|is closed)|could not (connect|translate)"
        r"|server closed the connection|^(08|53300|57P)",
        "The database does not answer: start it or check DATABASE_URL.",
    ),
)


def url(directory: Path) -> str:
    """The database's URL: SQLite in the data directory unless the environment says otherwise."""
    file = directory / "pokecode.sqlite3"
    return env.text("DATABASE_URL", f"sqlite:///{quote(str(file))}")


def configuration(url: str) -> dict[str, Any]:
    """Django's settings for a database URL.

    Raises ImproperlyConfigured in one line that never shows the URL, which may hold a password.
    """
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url))
    except Exception:  # the parser raises several kinds
        config = {}
    match config.get("ENGINE", "").rpartition(".")[2]:
        case "sqlite3":
            return _sqlite(config)
        case "postgresql":
            return _postgresql(config)
    raise ImproperlyConfigured(
        "DATABASE_URL is not a URL of a supported database: use postgres://user@host/name "
        "or sqlite:////absolute/path."
    )


def _sqlite(config: dict[str, Any]) -> dict[str, Any]:
    if not Path(config["NAME"]).is_absolute():
        raise ImproperlyConfigured(f"DATABASE_URL: {config['NAME']!r} is not an absolute path.")
    return {**config, "OPTIONS": {**SQLITE_OPTIONS, **config.get("OPTIONS", {})}}


def _postgresql(config: dict[str, Any]) -> dict[str, Any]:
    if importlib.util.find_spec("psycopg") is None:
        raise ImproperlyConfigured(
            "DATABASE_URL names PostgreSQL, which needs psycopg: pip install 'pokecode[postgres]'."
        )
    try:
        importlib.import_module("psycopg")
    except ImportError:
        raise ImproperlyConfigured(
            "DATABASE_URL names PostgreSQL, but psycopg does not find its library libpq: "
            "pip install 'pokecode[postgres]'."
        ) from None
    options = {**POSTGRESQL_OPTIONS, **config.get("OPTIONS", {})}
    return {**config, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}


def check_files(config: dict[str, Any]) -> None:
    """Refuse a database in files that have no directory or that other users can open."""
    if config["ENGINE"].endswith(".sqlite3"):
        data_directory.check_database(Path(config["NAME"]))


def explain(error: DatabaseError) -> str | None:
    """A sentence for a failure that is not a bug of ours, or None."""
    state = getattr(error.__cause__, "sqlstate", None) or ""
    first_line = f"{state} {error}".strip().partition("\n")[0]
    return next((text for pattern, text in TROUBLES if re.search(pattern, first_line)), None)
