"""An answer that stands in a turn's result alone, because the line before it was spoilt."""

from collections.abc import Iterable, Iterator

from sessions_app.providers.shapes import Error, Prompt, Result, Shape, Text


class Answers:
    """Watches one conversation's shapes for results that say what nobody said before."""

    def __init__(self) -> None:
        self._said = ""

    def told(self, shapes: Iterable[Shape]) -> Iterator[Shape]:
        """The shapes, and before a result the answer that it alone holds."""
        for shape in shapes:
            match shape:
                case Text(markdown=said, parent_tool_id=None) | Error(text=said):
                    self._said = said
                case Prompt():
                    self._said = ""
                case Result(text=answer):
                    if answer.strip() and answer.strip() not in self._said:
                        yield Text(answer)
                    self._said = ""
            yield shape
