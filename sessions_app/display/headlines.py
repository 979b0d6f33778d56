"""One line that says what a stored message holds, for lists."""

from sessions_app.providers import display_message
from sessions_app.providers.shapes import (
    Error,
    FileChange,
    Notice,
    Plan,
    Prompt,
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
        case Prompt() | Thinking() | ToolResult() | Notice() | Result() | Error():
            return shape.text
        case Text():
            return shape.markdown
        case ToolUse():
            return f"{shape.name} {shape.summary}"
        case FileChange():
            return f"{shape.kind} {shape.path}"
        case Plan():
            return "; ".join(step.text for step in shape.steps)
        case Unknown():
            return shape.raw
