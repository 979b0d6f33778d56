"""What the scripted model answers; see model_server for the script's words."""

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SCRIPT = re.compile(r"^\s*(SAY|RUN|TOOL|FAIL|SLOW)\b[ \t]*(.*)$", re.MULTILINE)

AGAIN = re.compile(r"you may use (\S+), .*make exactly this call again.*\n+")
"""What a conversation that goes on after an allowance says; the call's input follows as JSON."""

SHELL = "RUN"
"""The shell, which each tool names otherwise."""

SLOW_WORDS = 2400

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool; that of the SHELL has one input, `command`."""

    tool: str
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `input_tokens` includes the cached ones; `slow_words` are streamed one by one
    instead of the text."""

    text: str = ""
    calls: Sequence[Call] = ()
    status: int = 200
    slow_words: int = 0
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def fresh_tokens(self) -> int:
        """Input tokens that were not cached: different in each answer, so sums tell."""
        return 100 + self.number

    @property
    def cached_tokens(self) -> int:
        return 1000 + self.number

    @property
    def input_tokens(self) -> int:
        return self.fresh_tokens + self.cached_tokens

    @property
    def output_tokens(self) -> int:
        return 10 + self.number


def reply_to(prompt: str, tool_result: str | None) -> Reply:
    """The answer to the newest tool result, and to the newest prompt if it came after that."""
    calls_again = _calls_again(prompt)
    if calls_again:
        return Reply("Once more.", calls_again)
    words = SCRIPT.findall(prompt)
    if words:
        return _scripted(words)
    return Reply("Understood." if tool_result is None else f"Done: {tool_result.strip()}")


def _calls_again(prompt: str) -> list[Call]:
    """The calls that the prompt says are allowed now."""
    decoder = json.JSONDecoder()
    return [
        Call(found[1], decoder.raw_decode(prompt, found.end())[0])
        for found in AGAIN.finditer(prompt)
    ]


def _scripted(words: list[tuple[str, str]]) -> Reply:
    """As the last word says; calls that stand one after another are made in one answer."""
    word, rest = words[-1]
    match word:
        case "SAY":
            return Reply(rest.strip())
        case "FAIL":
            return Reply(status=int(rest))
        case "SLOW":
            return Reply(slow_words=int(rest or SLOW_WORDS))
        case _:
            return Reply("I will use a tool.", _last_calls(words))


def _last_calls(words: list[tuple[str, str]]) -> list[Call]:
    last = itertools.takewhile(lambda each: each[0] in ("RUN", "TOOL"), reversed(words))
    return [_call(word, rest.strip()) for word, rest in [*last][::-1]]


def _call(word: str, rest: str) -> Call:
    if word == "RUN":
        return Call(SHELL, {"command": rest})
    tool, _, input = rest.partition(" ")
    return Call(tool, json.loads(input or "{}"))
