"""The tests marked `queue` once more, on PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "POKECODE_TEST_POSTGRES_URL"
DEFAULT_URL = "postgres://localhost/pokecode"


def _is_reachable(url: str) -> bool:
    psycopg = pytest.importorskip("psycopg", reason="psycopg is missing: pip install -e '.[test]'")
    server, _, _ = url.rpartition("/")
    try:
        psycopg.connect(f"{server}/postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def test_the_queue_holds_on_postgresql():
    url = os.environ.get(VARIABLE, DEFAULT_URL)
    if not _is_reachable(url):
        pytest.skip(f"no PostgreSQL: install it and set {VARIABLE}=postgres://user@host/name")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "queue", "--create-db", "tests/integration"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
