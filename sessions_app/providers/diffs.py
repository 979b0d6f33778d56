"""Differences between texts, as numbered lines."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any

from sessions_app.providers.reading import Malformed, required
from sessions_app.providers.shapes import DiffLine

COMPARE_LIMIT = 200
"""Lines on a side that are compared, without those that both begin and end with."""

PAIRS_LIMIT = 500
"""Pairs of equal lines among them. Comparing takes up to the square of the lines, and for equal
lines more: what is beyond a limit is shown as replaced, and the rest takes 2 us a character."""

HUNK = re.compile(r"@@ -(\d{1,9})(?:,\d+)? \+(\d{1,9})(?:,\d+)? @@")

KINDS = {" ": "context", "+": "add", "-": "remove"}


def split_lines(text: str) -> list[str]:
    """Lines as editors count them: split at newlines alone, with no empty one after the last."""
    return text.removesuffix("\n").split("\n") if text else []


def added(text: str) -> tuple[DiffLine, ...]:
    """A new file's lines."""
    return tuple(
        DiffLine("add", None, number, line) for number, line in enumerate(split_lines(text), 1)
    )


def removed(text: str) -> tuple[DiffLine, ...]:
    """A deleted file's lines."""
    return tuple(
        DiffLine("remove", number, None, line) for number, line in enumerate(split_lines(text), 1)
    )


def between(old: str, new: str) -> tuple[DiffLine, ...]:
    """Two versions of a part of a file; not numbered, because its place is not known."""
    before, after = split_lines(old), split_lines(new)
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    middles = before[start : len(before) - end], after[start : len(after) - end]
    changed = _compare(*middles) if _are_comparable(*middles) else _replace(*middles)
    return (
        *_plain("context", before[:start]),
        *changed,
        *_plain("context", before[len(before) - end :]),
    )


def _common(before: Sequence[str], after: Sequence[str]) -> int:
    """How many lines both begin with."""
    pairs = zip(before, after, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _are_comparable(before: Sequence[str], after: Sequence[str]) -> bool:
    counts = Counter(before)
    pairs = sum(counts[line] for line in after)
    return max(len(before), len(after)) <= COMPARE_LIMIT and pairs <= PAIRS_LIMIT


def _compare(before: Sequence[str], after: Sequence[str]) -> Iterator[DiffLine]:
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from _plain("context", before[a:b])
        else:
            yield from _replace(before[a:b], after[c:d])


def _replace(before: Sequence[str], after: Sequence[str]) -> list[DiffLine]:
    return [*_plain("remove", before), *_plain("add", after)]


def _plain(kind: str, lines: Sequence[str]) -> list[DiffLine]:
    return [DiffLine(kind, None, None, line) for line in lines]


def from_hunks(hunks: Sequence[dict[str, Any]]) -> tuple[DiffLine, ...]:
    """Hunks as Claude gives them: `oldStart`, `newStart`, and lines that begin with " ", "+",
    "-", or a backslash for a note on the line before. Raises Malformed."""
    return tuple(line for hunk in hunks for line in _hunk(hunk))


def _hunk(hunk: dict[str, Any]) -> Iterator[DiffLine]:
    old, new = required(hunk, "oldStart", int), required(hunk, "newStart", int)
    for line in required(hunk, "lines", list):
        if not isinstance(line, str):
            raise Malformed("lines")
        kind = KINDS.get(line[:1])
        if kind is None:
            continue
        in_old, in_new = kind != "add", kind != "remove"
        yield DiffLine(kind, old if in_old else None, new if in_new else None, line[1:])
        old, new = old + in_old, new + in_new


def from_unified(text: str) -> tuple[DiffLine, ...]:
    """The hunks of a unified difference, without numbers where a hunk's beginning tells none."""
    lines: list[DiffLine] = []
    old: int | None = None
    new: int | None = None
    for line in split_lines(text):
        if line.startswith("@@"):
            start = HUNK.match(line)
            old, new = (int(start[1]), int(start[2])) if start else (None, None)
        elif kind := KINDS.get(line[:1]):
            in_old, in_new = kind != "add", kind != "remove"
            lines.append(DiffLine(kind, old if in_old else None, new if in_new else None, line[1:]))
            old, new = _next(old, in_old), _next(new, in_new)
    return tuple(lines)


def _next(number: int | None, is_counted: bool) -> int | None:
    return number if number is None else number + is_counted
