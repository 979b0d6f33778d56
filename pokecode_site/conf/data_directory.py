"""The data directory and the files in it: private, or refused.

A key or a database that other users of the machine can read is a stolen
login, so what is looser than 0700 and 0600 is refused rather than mended.
"""

import os
import stat
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

SQLITE_FILES = ("", "-wal", "-shm")
"""What SQLite adds to the database's name; the log and the index hold its rows too."""


def prepare(path: Path) -> Path:
    """Create the directory with mode 0700, or check that it is ours alone."""
    if not path.is_absolute():
        raise ImproperlyConfigured(
            f"POKECODE_DATA_DIR must be an absolute directory, not {str(path)!r}."
        )
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = path.stat()
    except OSError as error:
        raise _unusable("POKECODE_DATA_DIR", path, error) from None
    _refuse_loose("POKECODE_DATA_DIR", path, info, "chmod 700")
    return path


def secret_key(directory: Path) -> str:
    """The key kept in `secret_key`, made on first use; safe when two processes start at once."""
    path = directory / "secret_key"
    try:
        if not path.exists():
            _create_key(path)
        key = _read_key(path)
    except OSError as error:
        raise _unusable("POKECODE_SECRET_KEY", path, error) from None
    if len(key) < 50:
        raise ImproperlyConfigured(
            f"POKECODE_SECRET_KEY: {str(path)!r} holds no usable key: remove it for a new one."
        )
    return key


def check_database(path: Path) -> None:
    """Refuse an SQLite database that cannot be there, or that other users can open."""
    if not path.is_absolute() or not path.parent.is_dir():
        raise ImproperlyConfigured(
            f"DATABASE_URL: {str(path)!r} is not an absolute path in an existing directory."
        )
    for suffix in SQLITE_FILES:
        file = path.with_name(path.name + suffix)
        try:
            _refuse_loose("DATABASE_URL", file, file.stat(), "chmod 600")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unusable("DATABASE_URL", file, error) from None


def _create_key(path: Path) -> None:
    # Written aside and linked into place: a reader never sees half a key, and
    # of two processes that start at once exactly one makes it.
    draft = path.with_name(f"secret_key.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(get_random_secret_key())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _read_key(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, errors="replace") as file:
        _refuse_loose("POKECODE_SECRET_KEY", path, os.fstat(descriptor), "chmod 600")
        return file.read().strip()


def _refuse_loose(name: str, path: Path, info: os.stat_result, remedy: str) -> None:
    if info.st_uid != os.geteuid():
        raise ImproperlyConfigured(f"{name}: {str(path)!r} belongs to another user.")
    if stat.S_IMODE(info.st_mode) & 0o077:
        raise ImproperlyConfigured(
            f"{name}: {str(path)!r} is open to other users: run {remedy} {str(path)!r}."
        )


def _unusable(name: str, path: Path, error: OSError) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: cannot use {str(path)!r}: {error.strerror}.")
