"""Other queues, each in a throw-away environment of its own, doing the same on the same server."""

import hashlib
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from tests.benchmarks.places import Place, answer

PINS = (
    "procrastinate==3.10.0",
    "psycopg[binary]==3.3.9",
    "django==5.2.19",
    "django-tasks==0.12.0",
    "django-tasks-db==0.13.0",
    "huey==3.5.4",
)
WAITING = {  # the peer whose waiting is measured beside ours
    "SQLite": "django-tasks-db",
    "PostgreSQL": "procrastinate",
}


def run(peer: str, action: str, place: Place, count: int) -> Any:
    """What the peer's module measured: see tests/benchmarks/peer_programs."""
    module = ["-m", "tests.benchmarks.peer_programs", peer.replace("-", "_")]
    environment = {**place.environment, "BENCHMARK_DIRECTORY": str(place.directory)}
    return answer([_python(), *module, action, str(count)], environment)


@cache
def _python() -> str:
    """An interpreter that has the peers, installed once for each set of versions."""
    versions = "\n".join([sys.version, *PINS])
    key = hashlib.sha256(versions.encode()).hexdigest()[:12]
    directory = Path(platformdirs.user_cache_dir("pokecode-benchmarks")) / key
    python, complete = directory / "bin" / "python", directory / "complete"
    if not complete.exists():
        venv.create(directory, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", *PINS], check=True)
        complete.touch()
    return str(python)
