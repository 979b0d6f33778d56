"""What a request is about, for a person who decides: in a few words, and whole.

A person may allow only what was shown to them, so `parts` leaves nothing of the input out, and
`is_whole` tells where the input itself is not all that would run.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sessions_app.providers import diffs
from sessions_app.providers.asked import Asked
from sessions_app.providers.reading import first_line, objects, pretty, string
from sessions_app.providers.shapes import DiffLine

Input = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of what would run: a text as it is, or a change of a file as lines."""

    label: str
    text: str = ""
    lines: tuple[DiffLine, ...] = ()


Show = Callable[[Input], list[Part]]
"""Takes what it shows out of the input, which is a copy; what is left is shown as JSON."""


def parts(asked: Asked) -> list[Part]:
    """All that would run, in the form that shows it best."""
    left = dict(asked.input)
    if left.get("description") == asked.reason:  # shown as the reason
        del left["description"]
    shown = SHOW[asked.tool](left) if asked.tool in SHOW else []
    if left or not shown:
        shown.append(Part("And with" if shown else "With", pretty(left)))
    return shown


def is_whole(asked: Asked) -> bool:
    """Whether the request says all that would run. Codex names a patch's call only, and what was
    spoilt cannot be read."""
    return asked.tool != "?" and (asked.tool != "Patch" or bool(asked.input.get("changes")))


def wish(asked: Asked) -> str:
    """What the agent wants, after its name: "wants to run a command"."""
    match asked.kind:
        case "question":
            return "asks" if len(asked.questions) < 2 else f"asks {len(asked.questions)} questions"
        case "plan":
            return "has made a plan"
    return (
        f"wants to {WISHES[asked.tool]}" if asked.tool in WISHES else f"wants to use {asked.tool}"
    )


def gist(asked: Asked) -> str:
    """What is asked, in one line; hostile, and maybe long."""
    match asked.kind:
        case "question":
            return " / ".join(first_line(question.text) for question in asked.questions)
        case "plan":
            return first_line(asked.plan.lstrip("# \n")) or "a plan"
    if asked.tool not in GISTS:
        return f"{asked.tool} {json.dumps(asked.input, ensure_ascii=False)}"
    verb, key = GISTS[asked.tool]
    told = string(asked.input, key) or ", ".join(
        string(change, "path") for change in objects(asked.input, key)
    )
    more = " …" if "\n" in told.strip() else ""
    return f"{verb} {first_line(told)}{more}".strip() or asked.tool


def sentence(asked: Asked) -> str:
    """For the conversation: that something was asked, and what."""
    what = {"question": "A question", "plan": "A plan to approve"}.get(asked.kind)
    return f"{what or 'Permission is asked'}: {gist(asked)}"


# --- the tools that are shown in a form of their own --------------------------------


def _texts(*labels: tuple[str, str]) -> Show:
    """Shows these keys' texts under these labels."""

    def show(left: Input) -> list[Part]:
        return [
            Part(label, left.pop(key)) for key, label in labels if isinstance(left.get(key), str)
        ]

    return show


def _write(left: Input) -> list[Part]:
    if not _are_texts(left, "file_path", "content"):
        return []
    return [Part(f"Write {left.pop('file_path')}", lines=diffs.added(left.pop("content")))]


def _edit(left: Input) -> list[Part]:
    if not _are_texts(left, "file_path", "old_string", "new_string"):
        return []
    lines = diffs.between(left.pop("old_string"), left.pop("new_string"))
    verb = "Edit, in every place," if left.get("replace_all") is True else "Edit"
    if isinstance(left.get("replace_all"), bool):
        del left["replace_all"]
    return [Part(f"{verb} {left.pop('file_path')}", lines=lines)]


def _multi_edit(left: Input) -> list[Part]:
    edits = left.get("edits")
    if not _are_texts(left, "file_path") or not isinstance(edits, list):
        return []
    if not all(_is_plain(edit, {"old_string", "new_string"}) for edit in edits):
        return []
    path = left.pop("file_path")
    return [
        Part(f"Edit {path}", lines=diffs.between(edit["old_string"], edit["new_string"]))
        for edit in left.pop("edits")
    ]


def _patch(left: Input) -> list[Part]:
    changes = left.get("changes")
    if not isinstance(changes, list) or not all(map(_is_change, changes)):
        return []
    return [_change(change) for change in left.pop("changes")]


def _is_change(change: Any) -> bool:
    return (
        isinstance(change, dict)
        and set(change) == {"path", "kind", "diff"}
        and _are_texts(change, "path", "diff")
        and isinstance(change["kind"], dict)
        and set(change["kind"]) <= {"type", "move_path"}
        and change["kind"].get("type") in PATCHES
    )


def _change(change: Input) -> Part:
    kind, moved = change["kind"]["type"], change["kind"].get("move_path")
    label = f"{PATCHES[kind]} {change['path']}" + (f" and move it to {moved}" if moved else "")
    return Part(label, lines=_patch_lines(kind, change["diff"]))


def _patch_lines(kind: str, diff: str) -> tuple[DiffLine, ...]:
    """The diff of a new or deleted file is its content; of another, a unified one."""
    if kind == "add":
        return diffs.added(diff)
    lines = diffs.split_lines(diff)
    if kind == "delete":
        return tuple(DiffLine("remove", number, None, line) for number, line in enumerate(lines, 1))
    return tuple(map(_unified, lines))


def _unified(line: str) -> DiffLine:
    kind = diffs.KINDS.get(line[:1])
    return DiffLine(kind, None, None, line[1:]) if kind else DiffLine("context", None, None, line)


def _are_texts(given: Input, *keys: str) -> bool:
    return all(isinstance(given.get(key), str) for key in keys)


def _is_plain(value: Any, keys: set[str]) -> bool:
    return isinstance(value, dict) and set(value) == keys and _are_texts(value, *keys)


SHOW: dict[str, Show] = {
    "Bash": _texts(("command", "Command")),
    "Edit": _edit,
    "MultiEdit": _multi_edit,
    "Patch": _patch,
    "Shell": _texts(("command", "Command"), ("cwd", "In the directory")),
    "WebFetch": _texts(("url", "Address"), ("prompt", "And asks of it")),
    "Write": _write,
}
PATCHES = {"add": "New file", "delete": "Delete", "update": "Edit"}
WISHES = {
    "Bash": "run a command",
    "Edit": "edit a file",
    "MultiEdit": "edit a file",
    "Patch": "change files",
    "Shell": "run a command",
    "WebFetch": "read a page of the web",
    "Write": "write a file",
}
GISTS = {
    "Bash": ("", "command"),
    "Edit": ("Edit", "file_path"),
    "MultiEdit": ("Edit", "file_path"),
    "Patch": ("Change", "changes"),
    "Shell": ("", "command"),
    "WebFetch": ("Read", "url"),
    "Write": ("Write", "file_path"),
}
"""A word, and the argument that says most."""
