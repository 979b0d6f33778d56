"""What is installed of a tool: one that is too old to be talked with is driven one way."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Version = tuple[int, ...]

PATIENCE = 10.0
"""Seconds for a tool to answer."""

TOLD = re.compile(r"(?:[\w-]+ )?(\d+(?:\.\d+)+)")
"""`codex-cli 0.169.0`, `2.1.330 (Claude Code)`."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A tool's command line, in the environment of its runs. Each question is asked once, and
    again when the program's file has changed."""

    command: Sequence[str]
    environment: Mapping[str, str]

    @property
    def version(self) -> Version | None:
        """None where it tells none."""
        told = TOLD.match(self._ask("--version").stdout.decode(errors="replace"))
        return tuple(map(int, told[1].split("."))) if told else None

    def has(self, subcommand: str) -> bool:
        return self._ask(subcommand, "--help").returncode == 0

    def _ask(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        question = (*self.command, *words)
        file = os.stat(self.command[0])
        key = (question, file.st_ino, file.st_mtime_ns)
        if key not in _answers:
            _answers[key] = _answer(question, self.environment)
        return _answers[key]


_answers: dict[tuple[Sequence[str], int, int], "subprocess.CompletedProcess[bytes]"] = {}


def _answer(
    question: Sequence[str], environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(  # noqa: S603 - a list of arguments, no shell
            question,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return subprocess.CompletedProcess(question, 1, b"", b"")


def too_old(tool: str, version: Version | None, needed: Version) -> str:
    """What the transcript says of a run that was one way."""
    told = dotted(version) if version else "of this host"
    return (
        f"{tool} {told} is too old to be talked with, so it could ask and be told nothing: "
        f"install {dotted(needed)} or newer."
    )


def dotted(version: Version) -> str:
    """As people write it."""
    return ".".join(map(str, version))
