"""One line that says what a stored message holds, for lists."""

from sessions_app.display.images import described
from sessions_app.providers import display_message
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


def headline(provider: str, message_type: str, content: str) -> str:
    """The first words of the message; its raw event where nothing of it is shown."""
    lines = [_line(shape) for shape in display_message(provider, message_type, content, "")]
    return next((line for line in lines if line.strip()), content)


def _line(shape: Shape) -> str:
    match shape:
        case ToolResult():
            return shape.text or "; ".join(link.title or link.url for link in shape.links)
        case Prompt() | Thinking() | Notice() | Request() | Result() | Error():
            return shape.text
        case Text():
            return shape.markdown
        case Image():
            return described(shape)
        case ToolUse():
            return f"{shape.name} {shape.summary}"
        case FileChange():
            return f"{shape.kind} {shape.path}"
        case Plan():
            return "; ".join(step.text for step in shape.steps)
        case Unknown():
            return shape.raw
