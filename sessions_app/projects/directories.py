"""Project directories: which ones may be used, and what they are called."""

import os
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError

from sessions_app.validation import printable, validate_text

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# On Linux a directory on the way may be one that we can pass through but not list.
PASSAGE = DIRECTORY | getattr(os, "O_PATH", 0)


def resolve_project(path: str | os.PathLike[str]) -> Path:
    """The directory with all symlinks resolved, or ValidationError in one sentence.

    It must exist, be a directory, and lie in one of POKECODE_PROJECT_ROOTS.
    """
    return Path(_resolved(os.fspath(path)))


def _resolved(given: str) -> str:
    if not given.strip():
        raise ValidationError("The path is empty: give the project's directory.")
    resolved = _without_links(given)
    validate_text("The path", resolved)
    if not os.path.isdir(resolved):
        raise ValidationError(f"'{_shown(given)}' is a file: give the project's directory.")
    if not is_within_roots(resolved):
        roots = ", ".join(map(str, settings.POKECODE_PROJECT_ROOTS))
        raise ValidationError(
            f"'{_shown(given)}' is outside the project roots ({roots}): "
            "move it there or set POKECODE_PROJECT_ROOTS."
        )
    return resolved


def _without_links(given: str) -> str:
    try:
        expanded = os.path.expanduser(given)
        if expanded.startswith("~"):
            raise ValueError("the home of an unknown user")
        return os.path.realpath(expanded, strict=True)
    except FileNotFoundError:
        raise ValidationError(
            f"There is no directory '{_shown(given)}': create it first."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ValidationError(f"'{_shown(given)}' cannot be opened: {reason}.") from None


def is_within_roots(resolved: str) -> bool:
    """Whether a path without symlinks is a project root or lies below one."""
    return any(
        resolved == root or resolved.startswith(os.path.join(root, ""))
        for root in map(str, settings.POKECODE_PROJECT_ROOTS)
    )


def open_project(path: str) -> int:
    """A descriptor of the directory; the caller closes it.

    A symlink that is swapped between a check and its use changes what a path
    means. So the checked path, which holds no symlink, is walked name by name,
    and a symlink on the way is refused.
    """
    resolved = _resolved(path)
    try:
        return _open_without_links(resolved)
    except OSError as error:
        raise ValidationError(f"'{_shown(path)}' cannot be opened: {error.strerror}.") from None


def _open_without_links(path: str) -> int:
    *passed, last = path.strip(os.sep).split(os.sep) if path != os.sep else ["."]
    descriptor = os.open(os.sep, PASSAGE)
    for name in passed:
        descriptor = _enter(descriptor, name, PASSAGE)
    return _enter(descriptor, last, DIRECTORY)


def _enter(parent: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=parent)
    finally:
        os.close(parent)


def _shown(path: str) -> str:
    return printable(path, 200)
