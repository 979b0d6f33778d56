"""Which call a result belongs to, where it does not stand right below it."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sessions_app.providers.shapes import FileChange, Notice, Shape, ToolResult, ToolUse

REMEMBERED_CALLS = 200
"""Calls whose result may still come."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Says which call the result below belongs to, where the call is not the last thing told."""

    call: ToolUse


class Calls:
    """Tells results of calls that ran at the same time apart."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, ToolUse] = OrderedDict()
        self._last = ""

    def named(self, shapes: Iterable[Shape]) -> Iterator[Shape | Naming]:
        """The shapes, and before a result its call if another thing was told since."""
        for shape in shapes:
            match shape:
                case ToolUse(tool_id=tool_id):
                    self._remember(shape)
                    self._last = tool_id
                case ToolResult(tool_id=tool_id):
                    if tool_id != self._last and tool_id in self._told:
                        yield Naming(self._told[tool_id])
                    self._last = tool_id
                case FileChange(status="in_progress") | Notice():
                    pass
                case _:
                    self._last = ""
            yield shape

    def _remember(self, call: ToolUse) -> None:
        if not call.tool_id:
            return
        self._told.pop(call.tool_id, None)
        self._told[call.tool_id] = call
        if len(self._told) > REMEMBERED_CALLS:
            self._told.popitem(last=False)
