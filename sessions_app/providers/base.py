"""What a provider's module offers, and how tokens are counted."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from sessions_app.providers.asked import Asked
from sessions_app.providers.shapes import Shape


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the model processed. `input_tokens` includes `cached_input_tokens` and
    `cache_write_tokens`; `output_tokens` includes `reasoning_tokens`."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total(self) -> int:
        """Each token once: all input plus all output."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(*(max(0, a - b) for a, b in zip(_values(self), _values(other), strict=True)))


def _values(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )


TOKEN_LIMIT = 10**9
"""More tokens than this in one event are not believed: a message's count must fit its column."""


def tokens(value: Any) -> int:
    """A number of tokens as an event gives it; 0 for anything else."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 <= value <= TOKEN_LIMIT else 0


def believable(usage: Usage) -> Usage:
    """The usage, or none at all if it is over TOKEN_LIMIT."""
    return usage if usage.total <= TOKEN_LIMIT else Usage()


def at_least(usage: Usage, floor: Usage) -> Usage:
    """The larger of the two in each figure."""
    return usage + (floor - usage)


class Meter(Protocol):
    """Counts one run's tokens while its events pass by.

    The counts of all events of a run add up to `usage.total`: the usage that the tool reports at
    the end of the run, where it does; a run that dies early leaves a lower bound.
    """

    def count(self, data: dict[str, Any]) -> int | None:
        """The tokens to record on this event's message; None where it carries none."""

    @property
    def usage(self) -> Usage:
        """What this run has used so far."""

    @property
    def cost_usd(self) -> Decimal | None:
        """What the tool says this run cost, or None if it does not say."""

    @property
    def raw(self) -> Any:
        """The usage objects as they came, JSON-serialisable: kept on the attempt. For codex it
        holds the thread's running total, which the next run of the thread needs as `previous`."""


class ProviderEvents(Protocol):
    """One provider's events. Every method tolerates any JSON object."""

    label: str

    def classify(self, data: dict[str, Any]) -> str:
        """The message type: user, assistant, system, result or error."""

    def conversation_id(self, data: dict[str, Any]) -> str | None:
        """The conversation's id, for resuming, where the event names it."""

    def meter(self, previous_raw: Any = None) -> Meter:
        """A meter for one run; `previous_raw` is the `raw` of the conversation's last run."""

    def display(self, data: dict[str, Any], project_path: str) -> list[Shape]:
        """What to show, in order; an unknown type gives an Unknown, never nothing."""

    def read_request(self, data: dict[str, Any], call: dict[str, Any]) -> Asked | None:
        """What the event asks of a person, None if it asks nothing. `call` is the call's own
        object where the event only names it, {} otherwise."""

    def state_directory(self, project_path: str) -> str:
        """See `providers.state_directory`."""
