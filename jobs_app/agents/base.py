"""What an agent's module offers: how its tool is started and how its end is judged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jobs_app.outcomes import Verdict
from jobs_app.processes.spawning import Command


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation to make. `resume` is the conversation's id, None for a new one."""

    attempt_id: str
    prompt: str
    project_path: str
    model: str | None = None
    allowed_tools: Sequence[str] = ()
    context: str | None = None
    resume: str | None = None
    trusted: bool = False
    private_directory: str = ""
    """Where files of this attempt may be kept; made on first use, removed when it has ended."""


class Observer(Protocol):
    """Watches one attempt's events and judges its end from all it has seen."""

    def observe(self, data: dict[str, Any]) -> None:
        """Any event of the attempt, in order."""

    @property
    def is_over(self) -> bool:
        """The tool has told how its turn ended, and nothing of it goes on: it should exit now."""

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        """What the agent did by itself, from result event, exit code (negative for a signal)
        and denials together; whether we had begun to stop it is for the caller to consider."""


class Agent(Protocol):
    """One command-line tool."""

    name: str
    """What people call it."""

    install_hint: str
    """How to get it, one sentence."""

    def command(self) -> Sequence[str]:
        """The configured command line's words."""

    def launch(self, turn: Turn) -> Command:
        """Argument list, environment and standard input. This reads files, so call it in a
        thread; it writes only into private_directory. ValidationError for a turn that cannot
        be made, FileNotFoundError if the tool is not installed."""

    def observer(self, turn: Turn) -> Observer:
        """A fresh observer for one attempt."""


DENIALS_SHOWN = 5


@dataclass(slots=True)
class Denials:
    """Tool calls that were refused in an attempt, by what they would have done."""

    calls: list[str] = field(default_factory=list)

    def sentence(self) -> str | None:
        if not self.calls:
            return None
        count = len(self.calls)
        were = "One tool call was" if count == 1 else f"{count} tool calls were"
        more = ", …" if count > DENIALS_SHOWN else ""
        return f"{were} denied: {', '.join(self.calls[:DENIALS_SHOWN])}{more}."
