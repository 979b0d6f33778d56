"""Texts that Claude Code puts into the conversation as if a person had written them.

Each begins with a tag that says what it is. A prompt that begins with any other tag stays a
person's.
"""

import re
from collections.abc import Callable, Mapping

from sessions_app.providers.shapes import Notice

OPENING = re.compile(r"\s{0,100}<([a-z_-]{1,40})(?:\s[^<>]{0,200})?>")
TEAMMATE = re.compile(
    r"\s{0,100}<teammate-message\s[^<>]{0,200}?\bteammate_id=\"([^\"<>]{1,100})\""
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
FAILED = {"error", "errored", "failed", "killed"}
NOTICES_LIMIT = 50
"""Notices of one text; what follows stands in the detail of the last."""


def is_tagged(text: str) -> bool:
    """Whether the tool said this, and not a person."""
    return _tag(text) in TAGS


def notice(text: str) -> Notice:
    """What the tool said, in words."""
    return TAGS[_tag(text)](text)


def split(text: str) -> tuple[list[Notice], str]:
    """What the tool said at the start of a text, and the words of a person that follow."""
    notices: list[Notice] = []
    start = 0
    while (tag := _tag(text, start)) in TAGS:
        end = _end(text, start)
        is_last = tag not in BEFORE_WORDS and _tag(text, end) not in TAGS
        if is_last or len(notices) + 1 == NOTICES_LIMIT:
            end = len(text)
        notices.append(TAGS[tag](text[start:end]))
        start = end
    return notices, text[start:].strip() if notices else text


def _end(text: str, start: int) -> int:
    """Where the elements end that make one notice."""
    tag, end = _tag(text, start), start
    say = TAGS[tag]
    while TAGS.get(tag) is say:
        closing = f"</{tag}>"
        place = text.find(closing, end)
        if place < 0:
            return len(text)
        end = place + len(closing)
        tag = _tag(text, end) if say in (_command, _shell_output) else ""
    return end


def _tag(text: str, start: int = 0) -> str:
    opening = OPENING.match(text, start)
    return opening[1] if opening else ""


def _task(text: str) -> Notice:
    status = _inner(text, "status")
    said = _inner(text, "summary") or f"A task in the background: {status or 'no status'}"
    return Notice(said, "warning" if status in FAILED else "info", detail=_bare(text))


def _output(text: str) -> Notice:
    return Notice(COLOURS.sub("", _bare(text)) or "The command said nothing.")


def _shell_output(text: str) -> Notice:
    parts = (_inner(text, tag) for tag in ("bash-stdout", "bash-stderr"))
    return Notice("\n".join(filter(None, parts)) or "The command said nothing.")


def _shell(text: str) -> Notice:
    return Notice(f"Shell command: {_inner(text, 'bash-input')}")


def _command(text: str) -> Notice:
    name = _inner(text, "command-name") or _inner(text, "command-message")
    return Notice(f"Command: {name} {_inner(text, 'command-args')}".rstrip())


def _teammate(text: str) -> Notice:
    name = TEAMMATE.match(text)
    return Notice(f"Teammate {name[1] if name else '?'}: {_bare(text)}")


def _folded(words: str) -> Callable[[str], Notice]:
    return lambda text: Notice(words, detail=_bare(text))


TAGS: Mapping[str, Callable[[str], Notice]] = {
    "bash-input": _shell,
    "bash-stderr": _shell_output,
    "bash-stdout": _shell_output,
    "command-args": _command,
    "command-message": _command,
    "command-name": _command,
    "ide_opened_file": _folded("The editor told which file is open."),
    "ide_selection": _folded("The editor told what is selected."),
    "local-command-caveat": _folded("What follows was said by commands of the tool."),
    "local-command-stderr": _output,
    "local-command-stdout": _output,
    "new-diagnostics": _folded("The editor told of new problems."),
    "system-reminder": _folded("The tool reminded the agent."),
    "task-notification": _task,
    "teammate-message": _teammate,
    "user-prompt-submit-hook": _folded("A hook added to the prompt."),
}

BEFORE_WORDS = {
    "ide_opened_file",
    "ide_selection",
    "new-diagnostics",
    "system-reminder",
    "user-prompt-submit-hook",
}
"""What is added to a person's words. What follows the others is the tool's own too."""


def _inner(text: str, tag: str) -> str:
    """What stands in the first element with this tag; "" if there is none."""
    return text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0].strip()


def _bare(text: str) -> str:
    """The text without the tag that it begins with."""
    tag = _tag(text)
    return OPENING.sub("", text, count=1).replace(f"</{tag}>", "", 1).strip()
