"""What the scripted model answers; see model_server for the script's words."""

import itertools
import re
from dataclasses import dataclass, field

SCRIPT = re.compile(r"^\s*(SAY|RUN|FAIL|SLOW)\b[ \t]*(.*)$", re.MULTILINE)

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `input_tokens` includes the cached ones."""

    text: str = ""
    command: str | None = None
    status: int = 200
    slow: bool = False
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
    """The answer to the newest prompt, or to the newest tool result if that came after it."""
    if tool_result is not None:
        return Reply(f"Done: {tool_result.strip()}")
    found = SCRIPT.findall(prompt)
    if not found:
        return Reply("Understood.")
    word, rest = found[-1]
    return _scripted(word, rest.strip())


def _scripted(word: str, rest: str) -> Reply:
    match word:
        case "SAY":
            return Reply(rest)
        case "RUN":
            return Reply("I will run a command.", command=rest)
        case "FAIL":
            return Reply(status=int(rest))
        case _:
            return Reply(slow=True)
