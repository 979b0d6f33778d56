"""`python -m tests.faults`: break things under a working queue and see whether it holds."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.process.site import FAKE_AGENT, ROOT, Site

OWN_MOUNTS = "POKECODE_FAULTS_OWN_MOUNTS"


def main() -> None:
    options = _parser().parse_args()
    if os.geteuid() == 0 and OWN_MOUNTS not in os.environ:
        _restart_with_own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves nothing behind
    with _prepared(options.database) as (base, database):
        from tests.faults import campaign

        failed = campaign.run_all(options, base, database)
    sys.exit(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the next adds one")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these faults")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument(
        "--long", action="store_true", help="2,000 jobs for many workers, locks of 30 s"
    )
    parser.add_argument("--verbose", action="store_true", help="show the log of a failed run")
    return parser


def _restart_with_own_mounts() -> None:
    """The small disk is mounted where only we see it, and goes when we do."""
    os.environ[OWN_MOUNTS] = "1"
    again = [sys.executable, "-m", "tests.faults", *sys.argv[1:]]
    os.execvp("unshare", ["unshare", "--mount", *again])  # noqa: S606 - no shell wanted


@contextmanager
def _prepared(database_name: str) -> Iterator[tuple[Path, Any]]:
    """A directory for the runs and a migrated database; Django is set up for both."""
    from tests.faults.databases import DATABASES

    base = Path(tempfile.mkdtemp(prefix="pokecode-faults-"))
    try:
        (base / "data").mkdir(mode=0o700)
        database = DATABASES[database_name](base)
        try:
            _set_up_django(base, database)
            yield base, database
        finally:
            database.close()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _set_up_django(base: Path, database: Any) -> None:
    environment = Site(base, database).environment
    agent = f"{sys.executable} -IS {FAKE_AGENT}"
    os.environ.update(
        environment,
        POKECODE_CLAUDE_COMMAND=f"{agent} claude",
        POKECODE_CODEX_COMMAND=f"{agent} codex",
        POKECODE_CANCEL_GRACE="0.3",
        POKECODE_WORKER_TIMEOUT="1",
        DJANGO_SETTINGS_MODULE="pokecode_site.settings",
    )
    import django
    from django.db import connection

    from pokecode_site.conf import start

    start.prepare()
    django.setup()
    subprocess.run(_migrate(), check=True)
    connection.close()
    database.keep_as_template()


def _migrate() -> Sequence[str]:
    return [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"]


if __name__ == "__main__":
    main()
