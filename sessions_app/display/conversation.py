"""Messages as the rows of a page: each display shape an entry, results joined to their calls.

Claude's tool ids are unique; those of codex start again at item_0 with each run.
So a result belongs to the latest call with its id. The end of a turn closes what it began:
a call that has its result takes no more, and a plan that comes later is another one.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sessions_app.display.answers import Answers
from sessions_app.providers.shapes import (
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

REMEMBERED_CALLS = 200
"""Calls whose result may still come; a result of an older one stands by itself."""

DEEPEST = 3
"""Levels of calls within calls that are drawn; what lies deeper joins the last level."""

SHORT_CHANGE = 12
"""Lines of the longest difference that is shown unfolded."""

QUESTION = "AskUserQuestion"

KINDS: dict[type, str] = {
    Prompt: "prompt",
    Text: "text",
    Thinking: "thinking",
    Image: "image",
    ToolUse: "call",
    ToolResult: "result",
    FileChange: "change",
    Plan: "plan",
    Notice: "notice",
    Request: "request",
    Result: "end",
    Error: "error",
    Unknown: "unknown",
}


@dataclass(slots=True)
class Part:
    """A result or file change inside its call, with the message that brought it."""

    shape: ToolResult | FileChange
    message_id: str


@dataclass(slots=True, eq=False)
class Entry:
    """One row. `inside` is the entry that it belongs in, the call of a sub-agent."""

    id: str
    message_id: str
    at: datetime
    shape: Shape
    inside: "Entry | None" = None
    parts: list[Part] = field(default_factory=list)
    children: list["Entry"] = field(default_factory=list)
    abandoned: bool = False

    @property
    def kind(self) -> str:
        return KINDS[type(self.shape)]

    @property
    def template(self) -> str:
        return f"sessions_app/entries/{self.kind}.html"

    @property
    def depth(self) -> int:
        return 0 if self.inside is None else self.inside.depth + 1

    @property
    def results(self) -> list[Part]:
        return [part for part in self.parts if isinstance(part.shape, ToolResult)]

    @property
    def changes(self) -> list[Part]:
        return [part for part in self.parts if isinstance(part.shape, FileChange)]

    @property
    def is_open(self) -> bool:
        """True for what a person wants to see at once: a short change, a question, a picture."""
        shapes = [self.shape, *(part.shape for part in self.parts)]
        lines = sum(len(shape.lines) for shape in shapes if isinstance(shape, FileChange))
        has_picture = any(isinstance(shape, ToolResult) and shape.images for shape in shapes)
        return 0 < lines <= SHORT_CHANGE or has_picture or self._is_question

    @property
    def _is_question(self) -> bool:
        return isinstance(self.shape, ToolUse) and self.shape.name == QUESTION

    @property
    def failure(self) -> ToolResult | None:
        """The first result that is an error."""
        shapes = (part.shape for part in self.parts)
        return next((s for s in shapes if isinstance(s, ToolResult) and s.is_error), None)

    @property
    def waits(self) -> bool:
        """True for a call that has no result yet."""
        return all(_is_intended(part.shape) for part in self.parts)

    @property
    def state(self) -> str:
        """Of a call: failed, done, running, or lost when its turn ended without a result."""
        if self.failure:
            return "failed"
        if not self.waits:
            return "done"
        return "lost" if self.abandoned else "running"

    @property
    def steps_done(self) -> int:
        """Of a plan."""
        steps = self.shape.steps if isinstance(self.shape, Plan) else ()
        return sum(step.status == "completed" for step in steps)


class Conversation:
    """Takes messages in order and says which entries are new or changed."""

    def __init__(self) -> None:
        self._answers = Answers()
        self._calls: OrderedDict[str, Entry] = OrderedDict()
        self._replaceable: dict[tuple[str, ...], Entry] = {}

    def recall(self, shapes: Iterable[Shape]) -> None:
        """What was said just before, where no entry is wanted."""
        for _ in self._answers.told(shapes):
            pass

    def add(self, message_id: str, at: datetime, shapes: Iterable[Shape]) -> list[Entry]:
        """The entries that the shapes of this message add or change, in order."""
        touched: list[Entry] = []
        for number, shape in enumerate(self._answers.told(shapes)):
            suffix = f"-{number}" if number else ""
            touched += self._place(Entry(f"m-{message_id}{suffix}", message_id, at, shape))
        return list(dict.fromkeys(touched))

    def _place(self, entry: Entry) -> list[Entry]:
        match entry.shape:
            case Thinking(text=text) if not text.strip():
                return []
            case Prompt() | Result() | Error():
                return [*self._end_turn(), entry]
            case ToolUse() as told:
                return [self._again(told) or self._remember(told.tool_id, self._nest(entry))]
            case ToolResult() | FileChange() as shape:
                return [self._join(entry, shape)]
            case Plan(tool_id=tool_id):
                return [self._replace(entry, tool_id)]
        return [self._nest(entry)]

    def _end_turn(self) -> list[Entry]:
        """Calls that still wait most likely wait in vain; a result may still come late."""
        calls = self._calls.items()
        self._calls = OrderedDict((key, call) for key, call in calls if call.waits)
        newly = [call for call in self._calls.values() if not call.abandoned]
        for call in newly:
            call.abandoned = True
        self._replaceable.clear()
        return newly

    def _again(self, told: ToolUse) -> Entry | None:
        """The call that waits and began without its summary, which is told only now."""
        call = self._calls.get(told.tool_id)
        if call is None or call.abandoned or not call.waits:
            return None
        before = call.shape
        if not isinstance(before, ToolUse) or before.name != told.name:
            return None
        if before.summary not in ("", told.summary):
            return None
        call.shape = told
        return call

    def _remember(self, tool_id: str, call: Entry) -> Entry:
        if not tool_id:  # no result can be joined to it
            return call
        self._calls.pop(tool_id, None)
        self._calls[tool_id] = call
        if len(self._calls) > REMEMBERED_CALLS:
            self._calls.popitem(last=False)
        return call

    def _join(self, entry: Entry, shape: ToolResult | FileChange) -> Entry:
        call = self._calls.get(shape.tool_id)
        if call is not None and not (call.abandoned and isinstance(shape, FileChange)):
            if isinstance(shape, FileChange):
                call.parts = [part for part in call.parts if not _is_intended(part.shape)]
            call.parts.append(Part(shape, entry.message_id))
            return call
        if isinstance(shape, FileChange):
            entry = self._replace(entry, shape.tool_id, shape.path)
        return self._nest(entry)

    def _replace(self, entry: Entry, *key: str) -> Entry:
        """The entry that showed this before, with the new shape; this one if there is none."""
        shown = self._replaceable.setdefault((entry.kind, *key), entry)
        shown.shape = entry.shape
        return shown

    def _nest(self, entry: Entry) -> Entry:
        parent = self._calls.get(getattr(entry.shape, "parent_tool_id", None) or "")
        if parent is not None and parent is not entry:
            entry.inside = parent.inside if parent.depth >= DEEPEST else parent
        return entry


def _is_intended(shape: Shape) -> bool:
    """A change that a call asks for and that is not made yet."""
    return isinstance(shape, FileChange) and shape.status == "in_progress"


def arrange(entries: Iterable[Entry]) -> list[Entry]:
    """The outermost entries, each once, by first appearance, with the others inside them."""
    outermost: list[Entry] = []
    for entry in dict.fromkeys(entries):
        (outermost if entry.inside is None else entry.inside.children).append(entry)
    return outermost
