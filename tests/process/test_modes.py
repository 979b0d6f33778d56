"""Who can read what we write: our own user, and in a project whoever the operator lets."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.running import Up
from tests.process.site import MANAGE, ROOT, Site, directive, wait_for

CARELESS = ("sh", "-c", 'umask 000; exec "$@"', "sh")
NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_to_others(directory: Path) -> list[Path]:
    return [path for path in [directory, *directory.rglob("*")] if mode(path) & 0o077]


def test_everything_that_up_makes_is_private_under_the_loosest_umask(tmp_path):
    with Up(tmp_path, program=(*CARELESS, *MANAGE)) as up:
        up.wait_until_ready().log_in()
        data = tmp_path / ".local/share/pokecode"
        database = {"pokecode.sqlite3", "pokecode.sqlite3-wal", "pokecode.sqlite3-shm"}
        made = {"secret_key", *database}  # the log is there as long as somebody is connected
        wait_for(lambda: {path.name for path in data.iterdir()} >= made)
        assert open_to_others(data) == []


@pytest.mark.parametrize("module", ["asgi", "wsgi"])
def test_another_server_makes_private_files_too(site: Site, tmp_path, module):
    program = (
        f"import pokecode_site.{module}; from django.core.management import call_command;"
        "call_command('migrate', verbosity=0)"
    )
    data = tmp_path / "new"
    environment = {**site.environment, "POKECODE_DATA_DIR": str(data)}
    command = [*CARELESS, sys.executable, "-c", program]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    assert (data / "pokecode.sqlite3").is_file()
    assert open_to_others(data) == []


def test_what_an_agent_writes_has_the_modes_that_the_operator_wants(site: Site):
    session, written = site.session(), site.projects / "one" / "written.json"
    site.submit(session, directive(env_dump=str(written)))
    os.umask(0o022)
    site.drain()
    assert mode(written) == 0o644


@pytest.mark.parametrize("name", ["pokecode.sqlite3", "secret_key"])
def test_a_file_that_became_readable_to_others_stops_every_command(site: Site, name):
    file = site.database.data_directory / name
    file.chmod(0o644)
    done = site.manage("queue_status", check=False)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.endswith(f"is open to other users: run chmod 600 '{file}'.")


def test_an_agent_sees_none_of_our_secrets(site: Site):
    session, seen = site.session(), site.projects / "one" / "seen.json"
    site.submit(session, directive(env_dump=str(seen)))
    site.drain(
        POKECODE_SECRET_KEY="hunter2-" * 10,
        PGPASSWORD="hunter2",
        DJANGO_SETTINGS_MODULE="pokecode_site.settings",
        DATABASE_URL=f"sqlite:///{site.database.data_directory}/pokecode.sqlite3",
    )
    environment = json.loads(seen.read_text())["environment"]
    ours = [name for name in environment if name.startswith(("POKECODE_", "DJANGO_", "PG"))]
    assert ours == ["POKECODE_RUN"]
    assert "DATABASE_URL" not in environment


@pytest.fixture
def reachable(migrated_data_directory) -> Iterator[Path]:
    """A data directory below directories that everybody may enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        Path(parent).chmod(0o755)
        data = Path(parent) / "data"
        subprocess.run(["cp", "-a", migrated_data_directory, data], check=True)
        yield data


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's eyes: run as root")
@pytest.mark.parametrize("name", ["pokecode.sqlite3", "secret_key"])
def test_an_agent_under_another_user_reads_neither_key_nor_database(reachable, name):
    command = ["cat", str(reachable / name)]
    assert subprocess.run(command, capture_output=True).stdout
    other = subprocess.run(command, capture_output=True, user=NOBODY, group=NOBODY, extra_groups=[])
    assert other.stdout == b""
    assert b"Permission denied" in other.stderr
