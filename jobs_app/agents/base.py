"""What an agent's module offers: how its tool is started, talked to, and how its end is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

from jobs_app.outcomes import Verdict
from jobs_app.processes.spawning import Command
from sessions_app.providers import Asked


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person has answered to a request of an earlier attempt, and no agent has heard yet."""

    asked: Asked
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of a prompt: `path` is its file, `type` such as `image/png`."""

    path: str
    type: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation to make. `resume` is the conversation's id, None for a new one.

    With `decisions` the conversation goes on from them, and the prompt, which the agent has, is
    not said again.
    """

    attempt_id: str
    prompt: str
    project_path: str
    model: str | None = None
    effort: str | None = None
    allowed_tools: Sequence[str] = ()
    context: str | None = None
    resume: str | None = None
    trusted: bool = False
    private_directory: str = ""
    """Where files of this attempt may be kept; made on first use, removed when it has ended."""

    asks: bool = False
    """Whether a person is asked; otherwise what needs a permission is refused."""

    decisions: Sequence[Decision] = ()
    images: Sequence[Image] = ()


# --- what a driver wants done ------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Write this to the tool's standard input."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CloseInput:
    """Nothing more comes on the tool's standard input."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A person is asked. `line` is the request as it came, `call` the call's object as JSON where
    the request only names it."""

    asked: Asked
    line: str
    call: str | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The tool no longer waits for the answer to its request with this id."""

    id: str


@dataclass(frozen=True, slots=True)
class Writing:
    """The next piece of the text that the agent is writing; "" once the message has come."""

    piece: str


@dataclass(frozen=True, slots=True)
class Heard:
    """The agent has read what it was told under this id."""

    id: str


@dataclass(frozen=True, slots=True)
class Unheard:
    """What was told under this id came too late for the turn, and the agent has not read it."""

    id: str


Effect: TypeAlias = Send | CloseInput | Ask | Withdraw | Writing | Heard | Unheard


class Driver(Protocol):
    """Talks with one tool for one attempt, and judges its end from all that it has said.

    It does nothing itself: each method returns what it wants done, in order.
    """

    def begin(self) -> Sequence[Effect]:
        """The attempt is stored: the tool may have its prompt."""

    def observe(self, data: dict[str, Any], raw: str) -> Sequence[Effect]:
        """Any event of the attempt, in order; `raw` is its line."""

    def keeps(self, data: dict[str, Any]) -> bool:
        """Whether the event tells something, so that it is stored; call it before `observe`."""

    def answer(self, asked: Asked, answer: Mapping[str, Any]) -> Sequence[Effect]:
        """A person's answer (see `jobs_app.answers` for its form) to an open request."""

    def tell(self, id: str, text: str) -> Sequence[Effect]:
        """Tell the agent something in the middle of its turn; `Heard` or `Unheard` follows."""

    def interrupt(self, *, is_last: bool) -> Sequence[Effect] | None:
        """Stop the turn; None where the tool can only be signalled. With `is_last` the run ends
        with it, so what the agent was told and has not read yet is dropped."""

    @property
    def is_over(self) -> bool:
        """The tool has told how its turn ended, and nothing of it goes on: it should exit now."""

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        """What the agent did by itself, from result event, exit code (negative for a signal)
        and denials together; whether we had begun to stop it is for the caller to consider."""


class Observer(Protocol):
    """The part of a driver that judges: see there."""

    def observe(self, data: dict[str, Any]) -> None:
        """Any event of the attempt, in order."""

    @property
    def is_over(self) -> bool: ...

    def verdict(self, exit_code: int, stderr: str) -> Verdict: ...


class OneWay:
    """The driver of a tool that takes its prompt and is not talked to after that. `note` is what
    the transcript should tell of that, once it has succeeded."""

    def __init__(self, observer: Observer, prompt: str, note: str | None = None) -> None:
        self._observer = observer
        self._prompt = prompt
        self._note = note

    def begin(self) -> Sequence[Effect]:
        return [Send(self._prompt.encode()), CloseInput()]

    def observe(self, data: dict[str, Any], raw: str) -> Sequence[Effect]:
        self._observer.observe(data)
        return ()

    def keeps(self, data: dict[str, Any]) -> bool:
        return True

    def answer(self, asked: Asked, answer: Mapping[str, Any]) -> Sequence[Effect]:
        return ()

    def tell(self, id: str, text: str) -> Sequence[Effect]:
        return [Unheard(id)]

    def interrupt(self, *, is_last: bool) -> None:
        return None

    @property
    def is_over(self) -> bool:
        return self._observer.is_over

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        verdict = self._observer.verdict(exit_code, stderr)
        notes = filter(None, [verdict.note, self._note])
        return replace(verdict, note=" ".join(notes) or None)


@dataclass(frozen=True, slots=True)
class Launch:
    """How an attempt's process is started, and who talks with it."""

    command: Command
    driver: Driver


class Agent(Protocol):
    """One command-line tool."""

    name: str
    """What people call it."""

    install_hint: str
    """How to get it, one sentence."""

    def command(self) -> Sequence[str]:
        """The configured command line's words."""

    def launch(self, turn: Turn) -> Launch:
        """Argument list, environment and driver. This reads files, so call it in a
        thread; it writes only into private_directory. ValidationError for a turn that cannot
        be made, FileNotFoundError if the tool is not installed."""


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
