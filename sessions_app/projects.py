"""Project directories: which ones may be used, and what they are called."""

import os
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError

from sessions_app.validation import printable


def resolve_project(path: str | os.PathLike[str]) -> Path:
    """The directory with all symlinks resolved, or ValidationError in one sentence.

    It must exist, be a directory, and lie in one of POKECODE_PROJECT_ROOTS.
    """
    shown = printable(os.fspath(path), 200)
    try:
        resolved = Path(path).expanduser().resolve(strict=True)
    except FileNotFoundError:
        raise ValidationError(f"There is no directory {shown!r}: create it first.") from None
    except (OSError, RuntimeError, ValueError):
        raise ValidationError(f"The path {shown!r} cannot be opened: check it.") from None
    if not resolved.is_dir():
        raise ValidationError(f"{shown!r} is a file: give the project's directory.")
    if not is_within_roots(resolved):
        roots = ", ".join(map(str, settings.POKECODE_PROJECT_ROOTS))
        raise ValidationError(
            f"{shown!r} is outside the project roots ({roots}): "
            "move it there or set POKECODE_PROJECT_ROOTS."
        )
    return resolved


def is_within_roots(resolved: Path) -> bool:
    return any(resolved.is_relative_to(root) for root in settings.POKECODE_PROJECT_ROOTS)


def open_project(path: str) -> int:
    """A descriptor of the directory, checked after it was opened; the caller closes it.

    A symlink that is swapped between a check and its use changes what a path
    means, but not what an open descriptor means.
    """
    resolved = resolve_project(path)
    descriptor = os.open(resolved, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    opened = Path(os.readlink(f"/proc/self/fd/{descriptor}")) if _has_proc() else resolved
    if opened != resolved or not is_within_roots(opened):
        os.close(descriptor)
        raise ValidationError(f"The directory {printable(path, 200)!r} changed while it was opened.")
    return descriptor


def _has_proc() -> bool:
    return os.path.isdir("/proc/self/fd")
