"""What an agent asks of a person, as lines for a terminal: whole, literal, and harmless."""

from collections.abc import Iterator

from sessions_app.display.terminal import BOLD, CYAN, DIM, YELLOW, StyledLine, diff_line
from sessions_app.providers import Asked, Question
from sessions_app.providers.requested import Part, parts, wish

LEAVES_SANDBOX = "It would run outside the sandbox."
SUB_AGENT = "A sub-agent asks this."


def render_request(asked: Asked, *, colour: bool) -> str:
    """All that would run, or all that is asked."""
    return "".join(f"{line.painted(colour)}\n" for line in _lines(asked))


def _lines(asked: Asked) -> Iterator[StyledLine]:
    yield StyledLine(f"? The agent {wish(asked)}:", BOLD)
    match asked.kind:
        case "question":
            for number, question in enumerate(asked.questions, 1):
                yield from _question(number, question)
        case "plan":
            yield from _indented(asked.plan, 2)
        case _:
            for part in parts(asked):
                yield from _part(part)
    if asked.reason:
        yield from _indented(f"Why: {asked.reason}", 2, DIM)
    if asked.leaves_sandbox:
        yield StyledLine(f"  {LEAVES_SANDBOX}", YELLOW)
    if asked.agent_id:
        yield StyledLine(f"  {SUB_AGENT}", DIM)


def _part(part: Part) -> Iterator[StyledLine]:
    yield from _indented(part.label, 2, DIM)
    if part.lines:
        yield from map(diff_line, part.lines)
    else:
        yield from _indented(part.text, 4)


def _question(number: int, question: Question) -> Iterator[StyledLine]:
    header = f"{question.header}: " if question.header else ""
    yield from _indented(f"{number}. {header}{question.text}", 2, BOLD)
    for place, choice in enumerate(question.choices, 1):
        yield from _indented(f"{place}  {choice.label}", 5, CYAN)
        if choice.description:
            yield from _indented(choice.description, 8, DIM)
    yield StyledLine(f"     ({_how(question)})", DIM)


def _how(question: Question) -> str:
    if not question.choices:
        return "in your own words"
    count = "one or several" if question.takes_several else "one"
    return f"choose {count}, or type an answer" if question.takes_text else f"choose {count}"


def _indented(text: str, depth: int, style: str = "") -> Iterator[StyledLine]:
    """Nothing but our marks stands at the left edge, so no text can pass for a question."""
    for line in text.split("\n"):
        yield StyledLine(f"{' ' * depth}{line}", style)
