"""The PostgreSQL server that tests may use, or a skip that says how to get one."""

import os

import pytest

VARIABLE = "POKECODE_TEST_POSTGRES_URL"
DEFAULT_URL = "postgres://localhost/pokecode"


def server_url() -> str:
    """A URL whose server answers; its database need not exist. Skips the test if none does."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is missing: pip install -e '.[test]'")
    url = os.environ.get(VARIABLE, DEFAULT_URL)
    try:
        psycopg.connect(with_database(url, "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL: install it and set {VARIABLE}=postgres://user@host/name")
    return url


def with_database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"
