"""Environment variables, checked as they are read: one line names the one that is wrong."""

import os
import re
import shlex
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"", "0", "false", "no", "off"}
HOST = r"(?:[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
ORIGIN = re.compile(rf"https?://{HOST}(:\d{{1,5}})?", re.IGNORECASE)


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


def hosts(name: str, default: list[str]) -> list[str]:
    """Exact host names: a wildcard would let any web site in through DNS rebinding."""
    found = _words(name) or default
    for host in found:
        if not re.fullmatch(HOST, host, re.IGNORECASE):
            raise ImproperlyConfigured(
                f"{name} must hold host names without wildcard, scheme or port, not {host!r}."
            )
    return found


def origins(name: str) -> list[str]:
    """Origins such as https://code.example.com, all of one scheme."""
    found = [word.lower() for word in _words(name)]
    for origin in found:
        if not ORIGIN.fullmatch(origin):
            raise ImproperlyConfigured(
                f"{name} must hold origins such as https://code.example.com, not {origin!r}."
            )
    if len({origin.partition(":")[0] for origin in found}) > 1:
        raise ImproperlyConfigured(f"{name} must hold https:// origins only, or http:// only.")
    return found


def _words(name: str) -> list[str]:
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


def secret(name: str) -> str:
    """A key as long and as varied as Django's own check wants, or "" if it is not set."""
    value = os.environ.get(name, "")
    if value and (len(value) < 50 or len(set(value)) < 5):
        raise ImproperlyConfigured(
            f"{name} must be 50 random characters or more: leave it unset and a key is made."
        )
    return value


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


def path(name: str, default: str) -> Path:
    """A path, `~` expanded."""
    value = text(name, default)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # no such user, or one without a home
        raise ImproperlyConfigured(f"{name}: cannot use {value!r}: {error}") from None


def directories(name: str, default: str) -> list[Path]:
    """Existing absolute directories, separated as in PATH, symlinks resolved."""
    return [_directory(name, part) for part in text(name, default).split(os.pathsep) if part]


def _directory(name: str, value: str) -> Path:
    try:
        given = Path(value).expanduser()
        resolved = given.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImproperlyConfigured(f"{name}: cannot use {value!r}: {reason}.") from None
    if not given.is_absolute():
        raise ImproperlyConfigured(f"{name} must hold absolute directories, not {value!r}.")
    if not resolved.is_dir():
        raise ImproperlyConfigured(f"{name}: {value!r} is not a directory.")
    return resolved
