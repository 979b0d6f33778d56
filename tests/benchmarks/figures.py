"""What was measured: figures, what was wanted of them, and the table that shows them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reference:
    """What a figure is compared with: a peer, a plain way to do the same, or a limit."""

    name: str
    samples: Sequence[float]

    @property
    def value(self) -> float:
        return statistics.median(self.samples)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bound: "<=" or ">=" of our value, or of its ratio to the reference."""

    sign: str
    bound: float
    of_ratio: bool = False

    def is_met(self, value: float, ratio: float | None) -> bool:
        compared = ratio if self.of_ratio else value
        if compared is None:
            return False
        return compared <= self.bound if self.sign == "<=" else compared >= self.bound

    def __str__(self) -> str:
        return f"{self.sign} {number(self.bound)}{' x' if self.of_ratio else ''}"


def at_most(bound: float) -> Wanted:
    return Wanted("<=", bound)


def at_least(bound: float, *, of_ratio: bool = False) -> Wanted:
    return Wanted(">=", bound, of_ratio)


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: the value is the samples' percentile, their median unless told otherwise."""

    what: str
    unit: str
    samples: Sequence[float]
    percentile: float = 50
    reference: Reference | None = None
    limit: Reference | None = None
    wanted: Wanted | None = None

    @property
    def value(self) -> float:
        return percentile(self.samples, self.percentile)

    @property
    def ratio(self) -> float | None:
        """To the reference, or to the limit where there is no reference."""
        other = self.reference or self.limit
        return self.value / other.value if other and other.value else None

    @property
    def is_met(self) -> bool | None:
        return self.wanted.is_met(self.value, self.ratio) if self.wanted else None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "value": self.value, "ratio": self.ratio, "met": self.is_met}


@dataclass(slots=True)
class Rounds:
    """Samples of several contenders, by key, each measured once a round."""

    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, key: str, *values: float) -> None:
        self.samples.setdefault(key, []).extend(values)

    def __getitem__(self, key: str) -> list[float]:
        return self.samples[key]

    def reference(self, key: str, name: str) -> Reference:
        return Reference(name, self.samples[key])


def percentile(samples: Sequence[float], wanted: float) -> float:
    """The median at 50; else the smallest sample that `wanted` percent of all do not exceed."""
    if wanted == 50:
        return statistics.median(samples)
    rank = math.ceil(len(samples) * wanted / 100)
    return sorted(samples)[rank - 1]


HEADINGS = ("what", "ours", "peer or reference", "limit", "ratio", "wanted", "met")


def table(figures: Sequence[Figure]) -> str:
    rows = [HEADINGS, *map(_cells, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cells(figure: Figure) -> tuple[str, ...]:
    met = {None: "", True: "yes", False: "NO"}[figure.is_met]
    return (
        figure.what,
        f"{number(figure.value)} {figure.unit}",
        _reference(figure.reference),
        _reference(figure.limit),
        "" if figure.ratio is None else f"{number(figure.ratio)} x",
        str(figure.wanted or ""),
        met,
    )


def _reference(reference: Reference | None) -> str:
    return f"{number(reference.value)} {reference.name}" if reference else ""


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
