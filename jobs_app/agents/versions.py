"""Which version of a tool is installed: one that is too old to be talked with is driven one way."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence

Version = tuple[int, ...]

PATIENCE = 10.0
"""Seconds for a tool to say its version."""

TOLD = re.compile(r"(?:[\w-]+ )?(\d+(?:\.\d+)+)")
"""`codex-cli 0.169.0`, `2.1.330 (Claude Code)`."""

_known: dict[tuple[Sequence[str], int], Version | None] = {}


def installed(command: Sequence[str], environment: Mapping[str, str]) -> Version | None:
    """The version that the command line's program tells, None where it tells none: it is then
    taken for a new one. It is asked once, and again when its file has changed."""
    key = (tuple(command), os.stat(command[0]).st_mtime_ns)
    if key not in _known:
        _known[key] = _ask(command, environment)
    return _known[key]


def _ask(command: Sequence[str], environment: Mapping[str, str]) -> Version | None:
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            [*command, "--version"],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = TOLD.match(done.stdout.decode(errors="replace"))
    return tuple(map(int, told[1].split("."))) if told else None


def too_old(tool: str, version: Version, needed: Version) -> str:
    """What the transcript says of a run that was one way."""
    told, wanted = (".".join(map(str, each)) for each in (version, needed))
    return (
        f"{tool} {told} is too old to be talked with, so it could ask and be told nothing: "
        f"install {wanted} or newer."
    )
