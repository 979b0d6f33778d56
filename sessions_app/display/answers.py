"""An answer that stands in a turn's result alone, because the line before it was spoilt."""

from collections import deque
from collections.abc import Iterable, Iterator

from sessions_app.providers.shapes import Error, Prompt, Result, Shape, Text

REMEMBERED = 50
"""Texts of a turn that may be its answer."""


class Answers:
    """Watches one conversation's shapes for results that say what nobody said before."""

    def __init__(self) -> None:
        self._said: deque[str] = deque(maxlen=REMEMBERED)

    def told(self, shapes: Iterable[Shape]) -> Iterator[Shape]:
        """The shapes, and before a result the answer that it alone holds."""
        for shape in shapes:
            match shape:
                case Text(markdown=said, parent_tool_id=None) | Error(text=said):
                    self._said.append(said)
                case Prompt():
                    self._said.clear()
                case Result(text=answer):
                    if answer.strip() and not self._is_told(answer):
                        yield Text(answer)
                    self._said.clear()
            yield shape

    def _is_told(self, answer: str) -> bool:
        """Whether its lines stand in what was said: a word of another sentence is no answer."""
        lines = (line.strip() for said in self._said for line in said.splitlines())
        wanted = [line.strip() for line in answer.strip().splitlines()]
        return _joined(wanted) in _joined(lines)


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"\n{line}\n" for line in lines if line)
