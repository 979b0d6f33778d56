"""The streams in `cases`, as events that a test can show."""

import base64
import re
from pathlib import Path

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.stem for path in CASES.glob("*.jsonl"))
MARK = re.compile(r"@NOW\+(\d+)@|@DAY\+\d+:[^@]*@")
BYTES = re.compile(r"@BYTES:(\d+)@")


def provider_of(name: str) -> str:
    return "codex-cli" if name.startswith("cx_") else "claude-code"


def lines(name: str) -> list[str]:
    """The lines of a case, with a moment or so many bytes in place of each mark."""
    text = MARK.sub(lambda mark: mark[1] or "Nov 28", (CASES / f"{name}.jsonl").read_text())
    text = BYTES.sub(lambda mark: _encoded(int(mark[1])), text)
    return [line for line in text.split("\n") if line]


def _encoded(size: int) -> str:
    """Bytes of no known kind, as an event holds them."""
    return base64.b64encode((b"\xfe\x92\xe2\0" * size)[:size]).decode()
