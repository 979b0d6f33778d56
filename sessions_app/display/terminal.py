"""The display shape as lines for a terminal. Agents' text never reaches it unescaped."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from django.core.management.base import OutputWrapper

from sessions_app.display.answers import Answers
from sessions_app.display.images import described
from sessions_app.display.naming import Calls, Naming
from sessions_app.models import Session, SessionMessage
from sessions_app.providers import display_message
from sessions_app.providers.shapes import (
    DiffLine,
    Error,
    FileChange,
    Image,
    Notice,
    Plan,
    Prompt,
    Request,
    Result,
    Shape,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Unknown,
)
from sessions_app.visible import short_line, visible

OUTPUT_LINES = 20
"""Lines of a tool's output that are shown; the rest is counted."""

DIFF_LINES = 100
"""Lines of a change that are shown."""

LINE_LENGTH = 1000
"""Characters of one line of output that are shown."""

NAME_LENGTH = 60

SUMMARY_LENGTH = 100
"""Characters of a call's summary that are told again with a result further down."""

RESET = "\x1b[0m"
BOLD, DIM, RED, GREEN, YELLOW, CYAN = (f"\x1b[{code}m" for code in (1, 2, 31, 32, 33, 36))
DIFF_STYLES = {"add": GREEN, "remove": RED, "context": DIM}
DIFF_SIGNS = {"add": "+", "remove": "-", "context": " "}
STEP_MARKS = {"completed": "[x]", "in_progress": "[~]", "pending": "[ ]"}


Told = Callable[[SessionMessage, Iterable[Shape]], Iterable[Shape]]


@dataclass(frozen=True, slots=True)
class StyledLine:
    """One line in one style; `text` is hostile until it is painted."""

    text: str
    style: str = ""

    def painted(self, colour: bool) -> str:
        text = safe(self.text)
        return f"{self.style}{text}{RESET}" if colour and self.style else text


class TranscriptPrinter:
    """Prints one session's messages as text: `show` is what `following.follow` calls.

    `colour` is None for "if the stream is a terminal that wants it". `told` may add to what a
    message shows.
    """

    def __init__(
        self,
        stream: OutputWrapper,
        session: Session,
        *,
        colour: bool | None = None,
        told: Told | None = None,
    ) -> None:
        self._stream = stream
        self._project_path = session.project_path
        self._colour = wants_colour(stream) if colour is None else colour
        self._told = told or (lambda message, shapes: shapes)
        self._answers, self._calls = Answers(), Calls()

    def show(self, messages: Iterable[SessionMessage]) -> None:
        for message in messages:
            shapes = display_message(
                message.provider, message.type, message.content_data, self._project_path
            )
            told = self._calls.named(self._answers.told(self._told(message, shapes)))
            put(self._stream, render(told, colour=self._colour))
        self._stream.flush()


def put(stream: OutputWrapper, text: str) -> None:
    """Write the text, with what the stream's encoding lacks as escapes."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding), ending="")


def safe(text: str) -> str:
    """Hostile text as one line that a terminal shows and does not obey."""
    return visible(text).replace("\n", "<U+000A>")


def wants_colour(stream: OutputWrapper) -> bool:
    """True for a terminal, unless NO_COLOR (https://no-color.org) is set or it is a dumb one."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def render(shapes: Iterable[Shape | Naming], *, colour: bool) -> str:
    """The shapes as text that moves no cursor, rings no bell and hides nothing."""
    lines = (line.painted(colour) for shape in shapes for line in _lines(shape))
    return "".join(f"{line}\n" for line in lines)


def _lines(shape: Shape | Naming) -> list[StyledLine]:
    lines = list(_own_lines(shape))
    told = shape.call if isinstance(shape, Naming) else shape
    if getattr(told, "parent_tool_id", None):  # a sub-agent's
        lines = [replace(line, text=f"  | {line.text}") for line in lines]
    return lines if _goes_on(shape) else [*lines, StyledLine("")]


def _goes_on(shape: Shape | Naming) -> bool:
    """What follows belongs to it: no empty line between them."""
    match shape:
        case FileChange():
            return shape.status == "in_progress" or not shape.lines
        case _:
            return isinstance(shape, ToolUse | Naming | Notice | Request)


def _own_lines(shape: Shape | Naming) -> Iterator[StyledLine]:
    match shape:
        case Prompt():
            yield from _block(shape.text, BOLD, mark="> ")
            yield from _images(shape.images)
        case Text(markdown=text):
            yield from _block(text, mark="  ")
        case Thinking(text=text):
            yield from _block(text, DIM, mark="~ ")
        case Image():
            yield from _images([shape])
        case ToolUse():
            yield from _tool_use(shape)
        case Naming(call=call):
            summary = short_line(call.summary, SUMMARY_LENGTH)
            yield StyledLine(f"< {call.name[:NAME_LENGTH]} {summary}", CYAN)
        case ToolResult():
            yield from _tool_result(shape)
        case FileChange():
            yield from _file_change(shape)
        case Plan():
            for step in shape.steps:
                yield StyledLine(f"{STEP_MARKS.get(step.status, '[ ]')} {step.text}", CYAN)
        case Notice():
            yield from _notice(shape)
        case Request(text=text):
            yield from _block(text, YELLOW, mark="- ")
        case Result():
            yield from _result(shape)
        case Error():
            yield from _block(shape.text, RED, mark="! ")
            yield from _clamped(shape.detail, DIM)
        case Unknown():
            yield StyledLine(f"? {shape.type}", YELLOW)
            yield from _clamped(shape.raw, DIM)


def _block(text: str, style: str = "", *, mark: str) -> Iterator[StyledLine]:
    """All lines of a text, the first after a mark and the others below it.

    Nothing but our marks stands at the left edge, so no text can pass for a prompt.
    """
    for number, line in enumerate(text.split("\n")):
        yield StyledLine((" " * len(mark) if number else mark) + line, style)


def _clamped(text: str, style: str = "") -> Iterator[StyledLine]:
    lines = text.removesuffix("\n").split("\n") if text else []
    for line in lines[:OUTPUT_LINES]:
        rest = "…" if len(line) > LINE_LENGTH else ""
        yield StyledLine(f"  {line[:LINE_LENGTH]}{rest}", style)
    if len(lines) > OUTPUT_LINES:
        yield StyledLine(f"  ... {len(lines) - OUTPUT_LINES} more lines", DIM)


def _tool_use(call: ToolUse) -> Iterator[StyledLine]:
    yield from _block(call.summary, CYAN, mark=f"* {call.name[:NAME_LENGTH]} ")
    if call.description:
        yield StyledLine(f"  {call.description}", DIM)


def _tool_result(result: ToolResult) -> Iterator[StyledLine]:
    if result.is_error:
        code = "" if result.exit_code is None else f" with exit code {result.exit_code}"
        yield StyledLine(f"  failed{code}", RED)
    yield from _clamped(result.text, RED if result.is_error else DIM)
    links = "\n".join(": ".join(filter(None, [link.title, link.url])) for link in result.links)
    yield from _clamped(links, DIM)
    yield from _images(result.images)


def _images(images: Iterable[Image]) -> Iterator[StyledLine]:
    for image in images:
        yield StyledLine(f"  [{described(image)}]", CYAN)


def _file_change(change: FileChange) -> Iterator[StyledLine]:
    if change.status == "in_progress" and change.lines:
        return  # the call above says so, and the change itself will follow
    count = f" +{change.added} -{change.removed}" if change.lines else ""
    state = "" if change.status == "completed" else f" ({change.status.replace('_', ' ')})"
    yield StyledLine(f"  {change.kind} {change.path}{count}{state}", CYAN)
    yield from map(diff_line, change.lines[:DIFF_LINES])
    if len(change.lines) > DIFF_LINES:
        yield StyledLine(f"  ... {len(change.lines) - DIFF_LINES} more lines", DIM)


def diff_line(line: DiffLine) -> StyledLine:
    number = line.old_number if line.kind == "remove" else line.new_number
    gutter = "" if number is None else str(number)
    return StyledLine(f"  {gutter:>5} {DIFF_SIGNS[line.kind]} {line.text}", DIFF_STYLES[line.kind])


def _notice(notice: Notice) -> Iterator[StyledLine]:
    is_warning = notice.level == "warning"
    yield from _block(notice.text, YELLOW if is_warning else DIM, mark="- ")
    if is_warning:
        yield from _clamped(notice.detail, DIM)


def _result(result: Result) -> Iterator[StyledLine]:
    facts = [
        None if result.turns is None else f"{result.turns} turn{'s' * (result.turns != 1)}",
        None if result.tokens is None else f"{result.tokens:,} tokens",
        None if result.cost_usd is None else f"${result.cost_usd:.4f}",
        None if result.duration_ms is None else f"{result.duration_ms / 1000:.1f} s",
    ]
    yield StyledLine(f"= {', '.join(filter(None, facts)) or 'done'}", DIM)
    for denial in result.denials:
        yield StyledLine(f"  denied: {denial}", YELLOW)
