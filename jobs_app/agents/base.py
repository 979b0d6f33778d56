"""What an agent's module offers: how its tool is started and how a run's end is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

RUN_MARKER = "POKECODE_RUN"
"""Set in every agent's environment to the attempt's id, and so in all that it starts."""


@dataclass(frozen=True, slots=True)
class Request:
    """One run to make. `resume` is the conversation's id, None for a new one."""

    run_id: str
    prompt: str
    project_path: str
    model: str | None = None
    allowed_tools: Sequence[str] = ()
    context: str | None = None
    resume: str | None = None
    trusted: bool = False
    private_directory: str = ""
    """Where files of this run may be kept; made on first use, removed when the run has ended."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start: no shell, the prompt on standard input."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    stdin: bytes


@dataclass(frozen=True, slots=True)
class Exit:
    """How the process ended. `exit_code` is negative for a signal. `stop_reason` is None for a
    run that ended by itself, else "cancelled", "interrupted" (the worker stops), "timeout" or
    "lease lost"."""

    exit_code: int
    stderr: str = ""
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the run ended: `outcome` is one of jobs_app.models.Outcome's values.

    `error` is a sentence for a person (also on a success that had denials);
    `permanent` says that trying again cannot help; `retry_at` is until when a
    limit lasts, None if the tool did not say.
    """

    outcome: str
    error: str | None = None
    permanent: bool = False
    retry_at: datetime | None = None
    detail: str = ""


class Observer(Protocol):
    """Watches one run's events and judges its end from all it has seen."""

    def observe(self, data: dict[str, Any]) -> None:
        """Any event of the run, in order."""

    def verdict(self, exit: Exit) -> Verdict:
        """Outcome from result event, exit code and denials together."""


class Agent(Protocol):
    """One command-line tool."""

    name: str
    """What people call it."""

    install_hint: str
    """How to get it, one sentence."""

    def command(self) -> Sequence[str]:
        """The configured command line's words."""

    def launch(self, request: Request) -> Launch:
        """Argument list, environment and standard input; writes only into private_directory."""

    def observer(self, request: Request) -> Observer:
        """A fresh observer for one run."""


DENIALS_SHOWN = 5


@dataclass(slots=True)
class Denials:
    """Tool calls that were refused in a run, by what they would have done."""

    calls: list[str] = field(default_factory=list)

    def sentence(self) -> str | None:
        if not self.calls:
            return None
        count = len(self.calls)
        were = "One tool call was" if count == 1 else f"{count} tool calls were"
        more = ", …" if count > DENIALS_SHOWN else ""
        return f"{were} denied: {', '.join(self.calls[:DENIALS_SHOWN])}{more}."
