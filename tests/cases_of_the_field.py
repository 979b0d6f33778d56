"""The streams in `cases`, as events that a test can show."""

import re
from pathlib import Path

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.stem for path in CASES.glob("*.jsonl"))
MARK = re.compile(r"@NOW\+(\d+)@|@DAY\+\d+:[^@]*@")


def provider_of(name: str) -> str:
    return "codex-cli" if name.startswith("cx_") else "claude-code"


def lines(name: str) -> list[str]:
    """The lines of a case, with a moment in place of each mark; see the README of the cases."""
    text = MARK.sub(lambda mark: mark[1] or "Nov 28", (CASES / f"{name}.jsonl").read_text())
    return [line for line in text.split("\n") if line]
