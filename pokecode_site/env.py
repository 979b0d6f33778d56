"""Environment variables, read once and checked: a wrong value names itself in one line."""

import os
import shlex
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"", "0", "false", "no", "off"}


def text(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool = False) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in TRUE | FALSE:
        return value.strip().lower() in TRUE
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def integer(name: str, default: int, *, minimum: int, maximum: int) -> int:
    value = text(name, str(default))
    if value.isascii() and value.isdigit() and minimum <= int(value) <= maximum:
        return int(value)
    raise ImproperlyConfigured(
        f"{name} must be a whole number from {minimum} to {maximum}, not {value!r}."
    )


def seconds(name: str, default: float, *, minimum: float) -> float:
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if minimum <= number < 10**9:
        return number
    raise ImproperlyConfigured(
        f"{name} must be a number of seconds, {minimum:g} or more, not {value!r}."
    )


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value in allowed:
        return value
    raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    found = [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]
    return found or default


def command_line(name: str, default: str) -> list[str]:
    """A command line, split as a shell would."""
    value = text(name, default)
    try:
        parts = shlex.split(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not a command line: {error}.") from None
    if not parts:
        raise ImproperlyConfigured(f"{name} must name a command.")
    return parts


def directories(name: str, default: Path) -> list[Path]:
    """Existing absolute directories, separated as in PATH, symlinks resolved."""
    value = os.environ.get(name, "").strip()
    return [_directory(name, part) for part in (value or str(default)).split(os.pathsep) if part]


def _directory(name: str, value: str) -> Path:
    path = Path(value).expanduser()
    if not path.is_absolute():
        raise ImproperlyConfigured(f"{name} must hold absolute directories, not {value!r}.")
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ImproperlyConfigured(f"{name}: cannot use {value!r}: {error}.") from None
    if not resolved.is_dir():
        raise ImproperlyConfigured(f"{name}: {value!r} is not a directory.")
    return resolved
