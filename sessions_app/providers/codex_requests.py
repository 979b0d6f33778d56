"""What Codex asks as a client of its app-server; measured with 0.169.0."""

import json
import shlex
from typing import Any

from sessions_app.providers.asked import Asked, Choice, Question
from sessions_app.providers.reading import objects, optional, string

SPLIT_LIMIT = 20_000
"""Characters of the longest command that is split into words: it takes time."""


def read_request(data: dict[str, Any], call: dict[str, Any]) -> Asked | None:
    """See `asked.Requests`. A patch's changes are in its call only. What does not say whole what
    would run is no request, so that nobody allows it."""
    params: dict[str, Any] = optional(data, "params", dict, {})
    identifier = data.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, int | str):
        return None
    id = json.dumps(identifier)
    match string(data, "method"):
        case "item/commandExecution/requestApproval":
            return _command(id, params)
        case "item/fileChange/requestApproval":
            return _patch(id, params, call)
        case "item/tool/requestUserInput":
            questions = [_question(each) for each in objects(params, "questions")]
            return Asked(id, "question", "Question", {}, _call(params), questions=questions)
    return None


def _command(id: str, params: dict[str, Any]) -> Asked | None:
    """Other kinds are input for a program that runs already: only its id is told."""
    command, kind = string(params, "command"), string(params, "kind") or "command"
    if not command or kind != "command":
        return None
    wider = {key: params[key] for key in WIDER if params.get(key) is not None}
    return Asked(
        id,
        "permission",
        "Shell",
        {"command": command, "cwd": string(params, "cwd"), **wider},
        _call(params),
        reason=string(params, "reason"),
        may_allow_session=True,
        # Under the policies that we send, a command is only asked about that is to run outside,
        # unless the sandbox is made wider for it.
        leaves_sandbox=not wider,
    )


WIDER = ("additionalPermissions", "networkApprovalContext")


def _patch(id: str, params: dict[str, Any], call: dict[str, Any]) -> Asked | None:
    changes = objects(call, "changes")
    if not changes or params.get("grantRoot") is not None:  # that is more than these changes
        return None
    return Asked(
        id,
        "permission",
        "Patch",
        {"changes": changes},
        _call(params),
        reason=string(params, "reason"),
        may_allow_session=True,
    )


def _call(params: dict[str, Any]) -> str | None:
    return string(params, "itemId") or None


def without_shell(command: str) -> str:
    """`/bin/bash -lc 'make'` -> `make`."""
    if len(command) > SPLIT_LIMIT:
        return command
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return words[2] if len(words) == 3 and words[1] in ("-c", "-lc") else command


def _question(question: dict[str, Any]) -> Question:
    choices = [
        Choice(string(option, "label"), string(option, "description"))
        for option in objects(question, "options")
    ]
    return Question(
        string(question, "id"),
        string(question, "question"),
        string(question, "header"),
        choices,
        takes_text=optional(question, "isOther", bool, False) or not choices,
        is_secret=optional(question, "isSecret", bool, False),
    )
