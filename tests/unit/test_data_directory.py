import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from pokecode_site.conf import data_directory


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def key(directory: Path) -> str:
    """The directory's key, made if there is none, as at every start."""
    data_directory.make_key(directory)
    return data_directory.read_key(directory)


@pytest.fixture
def directory(tmp_path) -> Path:
    path = tmp_path / "data"
    data_directory.make(path)
    return path


def test_the_directory_and_the_key_are_made_private_under_a_loose_umask(tmp_path):
    os.umask(0)
    directory = tmp_path / "new" / "data"
    data_directory.make(directory)
    data_directory.make_key(directory)
    assert mode(directory) == 0o700
    assert mode(directory / "secret_key") == 0o600


def test_the_key_stays_the_same(directory):
    made = key(directory)
    assert key(directory) == made
    assert len(made) >= 50


def test_without_a_key_there_is_none_and_none_is_made(directory):
    assert data_directory.read_key(directory) == ""
    assert os.listdir(directory) == []


def test_processes_that_start_at_once_share_one_key(directory):
    program = (
        "import sys, pathlib; from pokecode_site.conf.data_directory import make_key, read_key;"
        "path = pathlib.Path(sys.argv[1]); sys.stdin.readline(); make_key(path);"
        "print(read_key(path))"
    )
    command = [sys.executable, "-c", program, str(directory)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    with ThreadPoolExecutor(len(processes)) as pool:
        keys = set(pool.map(lambda process: process.communicate("go\n")[0], processes))
    assert keys == {data_directory.read_key(directory) + "\n"}
    assert os.listdir(directory) == ["secret_key"]


def test_a_draft_that_a_killed_start_left_behind_is_no_hindrance(directory):
    (directory / f"secret_key.{os.getpid()}").write_text("half a k")
    assert len(key(directory)) >= 50


@pytest.mark.parametrize("loose", [0o750, 0o705, 0o777])
def test_a_directory_that_others_can_enter_is_refused(tmp_path, loose):
    tmp_path.chmod(loose)
    with pytest.raises(ImproperlyConfigured, match="POKECODE_DATA_DIR.*run chmod 700"):
        data_directory.make(tmp_path)


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(directory, loose):
    data_directory.make_key(directory)
    (directory / "secret_key").chmod(loose)
    with pytest.raises(ImproperlyConfigured, match="POKECODE_SECRET_KEY.*run chmod 600"):
        key(directory)


@pytest.mark.parametrize("suffix", data_directory.SQLITE_FILES)
def test_a_database_file_that_others_can_read_is_refused(directory, suffix):
    for each in data_directory.SQLITE_FILES:
        (directory / f"db{each}").touch(mode=0o600)
    data_directory.check_database(directory / "db")
    (directory / f"db{suffix}").chmod(0o644)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL.*run chmod 600"):
        data_directory.check_database(directory / "db")


def test_a_database_without_a_directory_is_refused():
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL.*not in an existing directory"):
        data_directory.check_database(Path("/nonexistent/db.sqlite3"))


def test_an_empty_key_is_refused(directory):
    (directory / "secret_key").touch(mode=0o600)
    with pytest.raises(ImproperlyConfigured, match="holds no usable key"):
        key(directory)


def test_a_key_that_is_a_symlink_is_refused(directory, tmp_path):
    (tmp_path / "elsewhere").write_text("k" * 60)
    (directory / "secret_key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ImproperlyConfigured, match="POKECODE_SECRET_KEY"):
        key(directory)


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match="POKECODE_DATA_DIR"):
        data_directory.make(tmp_path / "file")


def test_a_relative_data_directory_is_refused(monkeypatch):
    monkeypatch.setenv("POKECODE_DATA_DIR", "data")
    with pytest.raises(ImproperlyConfigured, match="must be an absolute directory"):
        data_directory.path()
