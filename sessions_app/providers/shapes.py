"""The display shape: small typed values that a page or a terminal can show without knowing
which command-line tool they came from. All text in them is hostile and unescaped."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """The agent's words, in Markdown."""

    markdown: str
    parent_tool_id: str | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    text: str
    parent_tool_id: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture. Its bytes stay in the stored message, where `pictures.find` finds them by `key`;
    those of a prompt's image are a file, whose hash is the key.

    `media_type` is what its first bytes say, and "" where it is of no type that is shown;
    `claimed` is what the message says of it. One that lies elsewhere has only its `url`."""

    key: str = ""
    media_type: str = ""
    size: int = 0
    claimed: str = ""
    url: str = ""
    parent_tool_id: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a person asked."""

    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """An address that a tool names. `url` may be anything: only a web address is a link."""

    url: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool. `summary` is its one key argument (a command, a path, a pattern)."""

    tool_id: str
    name: str
    summary: str
    arguments: dict[str, Any]
    description: str = ""
    parent_tool_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call returned; joined to its ToolUse by `tool_id`."""

    tool_id: str
    text: str
    is_error: bool = False
    exit_code: int | None = None
    parent_tool_id: str | None = None
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`kind` is one of "add", "remove", "context"; a number is None on the side that lacks it."""

    kind: str
    old_number: int | None
    new_number: int | None
    text: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """A change of a file. `kind` is "add", "update" or "delete"; `path` is relative to the
    project if it lies in it; `lines` is empty if the tool does not say what changed.

    `status` is "in_progress" for a change that a call asks for; a later change with the same
    `tool_id` takes its place, as "completed", "failed" or "declined". Where none comes, the
    call's ToolResult says what became of it."""

    tool_id: str
    path: str
    kind: str
    lines: tuple[DiffLine, ...] = ()
    status: str = "completed"
    parent_tool_id: str | None = None

    @property
    def added(self) -> int:
        return sum(line.kind == "add" for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.kind == "remove" for line in self.lines)


@dataclass(frozen=True, slots=True)
class PlanStep:
    """`status` is "pending", "in_progress" or "completed"."""

    text: str
    status: str


@dataclass(frozen=True, slots=True)
class Plan:
    tool_id: str
    steps: tuple[PlanStep, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the tool said about its own work. `level` is "info" or "warning"; info notices
    are folded away."""

    text: str
    level: str = "info"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What the agent asks of a person, in one line. `key` is its `Asked.key`."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a turn; `text` is its answer, mostly the last Text once more.

    `denials` are the refused tool calls."""

    text: str
    tokens: int | None = None
    cost_usd: float | None = None
    duration_ms: int | None = None
    turns: int | None = None
    denials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Error:
    """Something went wrong, in words a person can act on."""

    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a type that we do not know: shown raw."""

    type: str
    raw: str


Shape = (
    Prompt
    | Text
    | Thinking
    | Image
    | ToolUse
    | ToolResult
    | FileChange
    | Plan
    | Notice
    | Request
    | Result
    | Error
    | Unknown
)
