"""The notes that the demo agent offers to write: what it asks a person, and what it does then.

It asks what they shall tell and whether it may write them. A process that has asked may be gone
when the answer comes. What it asked is then in the conversation's memory, and the answer is in
the next prompt, which is read as a model would read it, by its words.
"""

import re
from dataclasses import asdict, dataclass

from jobs_app.demo.stream import Question, Stream

QUESTION = Question(
    "notes",
    "What shall the notes tell?",
    "Notes",
    {"The files": "each with its number of lines", "The history": "the latest commits"},
)
NOBODY_ASKED = "I wrote no notes: nobody can be asked here whether I may."
NO_ANSWER = "I wrote no notes, because my question was not answered."
NOT_ALLOWED = "I wrote no notes, because I was not allowed to."
WRITTEN = "**The notes are in `NOTES.md`.** They tell: {}."


@dataclass
class Notes:
    """`lines` are what could be told, by choice; `report` is what is said at the end anyway."""

    title: str
    lines: dict[str, list[str]]
    report: str
    chosen: str | None = None

    def text(self) -> str:
        """What they tell; an answer that was typed is told as it is."""
        lines = self.lines.get(self.chosen or "", [self.chosen or ""])
        return "\n".join([f"# Notes on {self.title}", "", *lines]) + "\n"


def begin(stream: Stream, notes: Notes) -> str:
    """Ask, and write them; returns what came of it, in words."""
    if not stream.can_ask:
        return NOBODY_ASKED
    stream.conversation.keep(asdict(notes))
    notes.chosen = stream.choose(QUESTION)
    return _chosen(stream, notes)


def go_on(stream: Stream, prompt: str) -> str | None:
    """The report, if the prompt answers what this conversation has open; it is open no more."""
    kept, stream.conversation.open = stream.conversation.open, None
    if kept is None:
        return None
    notes = Notes(**kept)
    if notes.chosen is None and (answer := _answer_in(prompt)):
        notes.chosen = answer
        outcome = _chosen(stream, notes)
    elif notes.chosen and "allowed" in prompt:
        stream.conversation.keep(kept)
        outcome = _write(stream, notes)
    elif "denied" in prompt:
        outcome = NOT_ALLOWED if notes.chosen else NO_ANSWER
    else:
        return None
    return f"{notes.report}\n\n{outcome}"


def _chosen(stream: Stream, notes: Notes) -> str:
    if not notes.chosen:
        stream.conversation.open = None
        return NO_ANSWER
    stream.conversation.keep(asdict(notes))
    return _write(stream, notes)


def _write(stream: Stream, notes: Notes) -> str:
    is_written = stream.ask_to_write("NOTES.md", notes.text())
    stream.conversation.open = None
    return WRITTEN.format(notes.chosen) if is_written else NOT_ALLOWED


def _answer_in(prompt: str) -> str | None:
    names = "|".join(map(re.escape, (QUESTION.id, QUESTION.text)))
    found = re.search(rf"^- (?:{names}): (.+)", prompt, re.MULTILINE)
    return found[1] if found else None
