"""The tests marked `queue` once more, on PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

from tests.postgres import server_url

ROOT = Path(__file__).resolve().parents[2]


def test_the_queue_holds_on_postgresql():
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "queue", "--create-db", "tests/integration"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": server_url()},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
