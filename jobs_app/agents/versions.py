"""What is installed of a tool: one that is too old to be talked with is driven one way."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Version = tuple[int, ...]
Answer: TypeAlias = subprocess.CompletedProcess[bytes]

PATIENCE = 10.0
"""Seconds for a tool to answer."""

TOLD = re.compile(r"(?:[\w-]+ )?(\d+(?:\.\d+)+)")
"""`codex-cli 0.169.0`, `2.1.330 (Claude Code)`."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A tool's command line, in the environment of its runs. Each question is asked until the tool
    answers, and again when the program's file has changed."""

    command: Sequence[str]
    environment: Mapping[str, str]

    def ask_version(self) -> Version | None:
        """None where it tells none, or does not answer."""
        answer = self._ask("--version")
        told = TOLD.match(answer.stdout.decode(errors="replace")) if answer else None
        return tuple(map(int, told[1].split("."))) if told else None

    def refuses(self, subcommand: str) -> bool:
        """False also where it does not answer."""
        answer = self._ask(subcommand, "--help")
        return answer is not None and answer.returncode != 0

    def _ask(self, *words: str) -> Answer | None:
        question = (*self.command, *words)
        file = os.stat(self.command[0])
        key = (question, file.st_ino, file.st_mtime_ns)
        if key not in _answers and (answer := _answer(question, self.environment)):
            _answers[key] = answer
        return _answers.get(key)


_answers: dict[tuple[Sequence[str], int, int], Answer] = {}


def _answer(question: Sequence[str], environment: Mapping[str, str]) -> Answer | None:
    """None where it does not come: the tool may be slow just now, or the host busy."""
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
        return None


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
