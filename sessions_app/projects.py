"""Project directories: which ones may be used, and what they are called."""

import os
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError

from sessions_app.validation import printable, validate_text

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# On Linux a directory on the way may be one that we can pass but not list.
PASSAGE = DIRECTORY | getattr(os, "O_PATH", 0)


def resolve_project(path: str | os.PathLike[str]) -> Path:
    """The directory with all symlinks resolved, or ValidationError in one sentence.

    It must exist, be a directory, and lie in one of POKECODE_PROJECT_ROOTS.
    """
    given = os.fspath(path)
    if not given.strip():
        raise ValidationError("The path is empty: give the project's directory.")
    shown = printable(given, 200)
    resolved = _resolve(given, shown)
    validate_text("The path", str(resolved))
    if not resolved.is_dir():
        raise ValidationError(f"'{shown}' is a file: give the project's directory.")
    if not is_within_roots(resolved):
        roots = ", ".join(map(str, settings.POKECODE_PROJECT_ROOTS))
        raise ValidationError(
            f"'{shown}' is outside the project roots ({roots}): "
            "move it there or set POKECODE_PROJECT_ROOTS."
        )
    return resolved


def _resolve(given: str, shown: str) -> Path:
    try:
        return Path(given).expanduser().resolve(strict=True)
    except FileNotFoundError:
        raise ValidationError(f"There is no directory '{shown}': create it first.") from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no usable path"
        raise ValidationError(f"'{shown}' cannot be opened: {reason}.") from None


def is_within_roots(resolved: Path) -> bool:
    return any(resolved.is_relative_to(root) for root in settings.POKECODE_PROJECT_ROOTS)


def open_project(path: str) -> int:
    """A descriptor of the directory; the caller closes it.

    A symlink that is swapped between a check and its use changes what a path
    means. So the checked path, which holds no symlink, is walked name by name,
    and a symlink on the way is refused.
    """
    resolved = resolve_project(path)
    try:
        return _open_without_links(resolved)
    except OSError as error:
        raise ValidationError(
            f"'{printable(path, 200)}' cannot be opened: {error.strerror}."
        ) from None


def _open_without_links(path: Path) -> int:
    *passed, last = path.parts[1:] or ["."]
    descriptor = os.open(path.anchor, PASSAGE)
    for name in passed:
        descriptor = _enter(descriptor, name, PASSAGE)
    return _enter(descriptor, last, DIRECTORY)


def _enter(parent: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=parent)
    finally:
        os.close(parent)
