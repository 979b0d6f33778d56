"""The recorded streams of both command-line tools, by tool and case."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent / "recordings"
PROVIDERS = {"claude": "claude-code", "claude-2.1.197": "claude-code", "codex": "codex-cli"}
PROJECT = "/home/dev/project"
"""Where the recorded runs took place."""

CASES = sorted(
    f"{path.parent.name}/{path.name.removesuffix('.stdout.jsonl')}"
    for path in RECORDINGS.glob("*/*.stdout.jsonl")
)


def provider_of(case: str) -> str:
    return PROVIDERS[case.partition("/")[0]]


def lines(case: str) -> list[str]:
    """The lines that the tool printed, as they are stored."""
    text = (RECORDINGS / f"{case}.stdout.jsonl").read_bytes().decode()
    return [line for line in text.split("\n") if line]


def events(case: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in lines(case))
