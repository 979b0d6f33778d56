"""The data directory and the files in it: private, or refused.

A key or a database that other users of the machine can read is a stolen
login, so anything looser than 0700 or 0600 is refused, not silently repaired.
"""

import os
import stat
from pathlib import Path

import platformdirs
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from pokecode_site.conf import env

KEY = "secret_key"
SQLITE_FILES = ("", "-wal", "-shm")
"""What SQLite appends to the database's name; the log and its index hold rows too."""


def path() -> Path:
    """Where the data directory is or will be."""
    found = env.path("POKECODE_DATA_DIR", platformdirs.user_data_dir("pokecode"))
    if not found.is_absolute():
        raise ImproperlyConfigured(
            f"POKECODE_DATA_DIR must be an absolute directory, not {str(found)!r}."
        )
    return found


def make(directory: Path) -> None:
    """Create the directory with mode 0700, or check that it is ours alone."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = directory.stat()
    except OSError as error:
        raise _unusable("POKECODE_DATA_DIR", directory, error) from None
    _refuse_loose("POKECODE_DATA_DIR", directory, info, "chmod 700")


def make_key(directory: Path) -> None:
    """Make the key `secret_key` if there is none; safe when two processes start at once."""
    file = directory / KEY
    try:
        if not file.exists():
            _create_key(file)
    except OSError as error:
        raise _unusable("POKECODE_SECRET_KEY", file, error) from None


def read_key(directory: Path) -> str:
    """The key, or "" if none has been made: Django then refuses to sign anything."""
    file = directory / KEY
    try:
        key = _read_private(file)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _unusable("POKECODE_SECRET_KEY", file, error) from None
    if len(key) < 50:
        raise ImproperlyConfigured(
            f"POKECODE_SECRET_KEY: {str(file)!r} holds no usable key: "
            "remove it and a new one is made."
        )
    return key


def check_database(database: Path) -> None:
    """Refuse an SQLite database that has no directory, or that other users can open."""
    if not database.parent.is_dir():
        raise ImproperlyConfigured(
            f"DATABASE_URL: {str(database)!r} is not in an existing directory."
        )
    for suffix in SQLITE_FILES:
        file = database.with_name(database.name + suffix)
        try:
            _refuse_loose("DATABASE_URL", file, file.stat(), "chmod 600")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unusable("DATABASE_URL", file, error) from None


def _create_key(file: Path) -> None:
    # Written under another name and linked into place: a reader never sees half a
    # key, and of two processes that start at once exactly one makes it.
    draft = file.with_name(f"{KEY}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(get_random_secret_key())
        os.link(draft, file)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _read_private(file: Path) -> str:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, errors="replace") as stream:
        _refuse_loose("POKECODE_SECRET_KEY", file, os.fstat(descriptor), "chmod 600")
        return stream.read().strip()


def _refuse_loose(name: str, path: Path, info: os.stat_result, remedy: str) -> None:
    if info.st_uid != os.geteuid():
        raise ImproperlyConfigured(f"{name}: {str(path)!r} belongs to another user.")
    if stat.S_IMODE(info.st_mode) & 0o077:
        raise ImproperlyConfigured(
            f"{name}: {str(path)!r} is open to other users: run {remedy} {str(path)!r}."
        )


def _unusable(name: str, path: Path, error: OSError) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: cannot use {str(path)!r}: {error.strerror}.")
