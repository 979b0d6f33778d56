"""Counting the tokens of a run of Claude Code, as measured with claude 2.1.330 and 2.1.197.

A model's answer comes as several `assistant` events with one message id and one usage, whose
output side is only the first snapshot. What was really used stands in the `result` events:
`model_usage_since_last_result` (2.1.330) adds up over a run, sub-agents included, and does not
grow over resumed runs; `modelUsage` of the last result is the same for 2.1.197; `usage` misses
sub-agents and the last call of an interrupted run.
"""

from collections import deque
from decimal import Decimal
from typing import Any

from sessions_app.providers.base import Usage, at_least, believable, tokens
from sessions_app.providers.reading import string

DOLLAR_LIMIT = 10**6
"""A higher cost is not believed: it would not fit its column."""

USAGE_KEYS = ("usage", "modelUsage", "model_usage_since_last_result")
RAW_LIMIT = 50
"""Results of a run whose usage objects are kept."""


class ClaudeMeter:
    """See `base.Meter`. Live, an answer counts by the largest usage that its events gave; each
    result adds what was not counted yet."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, str], Usage] = {}
        self._answered = Usage()
        self._told = _Told()
        self._usage = Usage()
        self._raw: deque[dict[str, Any]] = deque(maxlen=RAW_LIMIT)

    def count(self, data: dict[str, Any]) -> int | None:
        match data.get("type"):
            case "assistant":
                if not self._read_answer(data):
                    return None
            case "result":
                self._told.add(data)
                self._raw.append({key: data[key] for key in USAGE_KEYS if key in data})
            case _:
                return None
        before = self._usage
        self._usage = at_least(at_least(self._told.usage, self._answered), before)
        return self._usage.total - before.total or None

    def _read_answer(self, data: dict[str, Any]) -> bool:
        """Add what an answer has used beyond what was known; False where it tells no usage."""
        message = data.get("message")
        usage = message.get("usage") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(usage, dict):
            return False
        used, name = api_usage(usage), string(message, "id")
        answer = (string(data, "session_id"), string(data, "parent_tool_use_id"), name)
        known = self._answers.get(answer, Usage()) if name else Usage()
        self._answers[answer] = at_least(known, used)
        self._answered += used - known
        return True

    @property
    def usage(self) -> Usage:
        return self._usage

    @property
    def cost_usd(self) -> Decimal | None:
        return self._told.cost

    @property
    def raw(self) -> Any:
        return {"results": list(self._raw)} if self._raw else None


class _Told:
    """What the results of one run say, by the best of their fields."""

    def __init__(self) -> None:
        self._since: Usage | None = None
        self._models = Usage()
        self._turns = Usage()
        self._cost_since = Decimal()
        self._cost: Decimal | None = None

    def add(self, result: dict[str, Any]) -> None:
        since = result.get("model_usage_since_last_result")
        if isinstance(since, dict):
            self._since = (self._since or Usage()) + models_usage(since)
            self._cost_since += models_cost(since)
        self._models = at_least(self._models, models_usage(result.get("modelUsage")))
        self._turns += api_usage(result.get("usage"))
        cost = dollars(result.get("total_cost_usd"))
        self._cost = self._cost if cost is None else cost

    @property
    def usage(self) -> Usage:
        by_model = self._models if self._since is None else self._since
        return by_model if by_model.total else self._turns

    @property
    def cost(self) -> Decimal | None:
        cost = self._cost if self._since is None else self._cost_since
        return None if cost is None or cost >= DOLLAR_LIMIT else round(cost, 6)


def turn_usage(result: dict[str, Any]) -> Usage:
    """What one result event says of its own turn."""
    told = _Told()
    told.add(result)
    return told.usage


def api_usage(usage: Any) -> Usage:
    """A usage object of the Messages API, whose three input figures exclude each other."""
    keys = (
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens",
    )
    return _usage(usage, keys) if isinstance(usage, dict) else Usage()


def models_usage(models: Any) -> Usage:
    """A `modelUsage` object: one entry a model."""
    keys = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "outputTokens")
    usages = (_usage(model, keys, "thinkingTokens") for model in _entries(models))
    return believable(sum(usages, Usage()))


def models_cost(models: Any) -> Decimal:
    costs = (dollars(model.get("costUSD")) or Decimal() for model in _entries(models))
    return sum(costs, Decimal())


def dollars(value: Any) -> Decimal | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number and 0 <= value < DOLLAR_LIMIT else None


def _usage(usage: dict[str, Any], keys: tuple[str, ...], reasoning: str = "") -> Usage:
    plain, cached, written, output = (tokens(usage.get(key)) for key in keys)
    total_input = plain + cached + written
    return believable(Usage(total_input, cached, written, output, tokens(usage.get(reasoning))))


def _entries(models: Any) -> list[dict[str, Any]]:
    values = models.values() if isinstance(models, dict) else ()
    return [value for value in values if isinstance(value, dict)]
