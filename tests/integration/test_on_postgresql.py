"""The tests marked `queue` once more, on PostgreSQL; in parts, which several cores share."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.postgres import server_url

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(str(path) for path in Path(__file__).parent.glob("test_*.py"))
PARTS = 4


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_the_queue_holds_on_postgresql(part):
    server = urlsplit(server_url())
    database = server._replace(path=f"{server.path}_{part}").geturl()
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-n0", "-m", "queue", "--create-db"]
    result = subprocess.run(
        [*pytest_here, *FILES[part::PARTS]],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
