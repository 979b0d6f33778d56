"""What Codex asks as a client of its app-server; measured with 0.169.0."""

import json
from typing import Any

from sessions_app.providers.asked import Asked, Choice, Question
from sessions_app.providers.reading import objects, optional, string


def read_request(data: dict[str, Any], call: dict[str, Any]) -> Asked | None:
    """See `asked.Requests`. A patch's changes are in its call only."""
    params: dict[str, Any] = optional(data, "params", dict, {})
    identifier = data.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, int | str):
        return None
    id, call_id = json.dumps(identifier), string(params, "itemId") or None
    reason = string(params, "reason")
    match string(data, "method"):
        case "item/commandExecution/requestApproval":
            input = {"command": string(params, "command"), "cwd": string(params, "cwd")}
            return Asked(
                id,
                "permission",
                "Shell",
                input,
                call_id,
                reason=reason,
                may_allow_session=True,
                # Under the policies that we send, a command is only asked about that is to run
                # outside: those inside the sandbox are not asked about.
                leaves_sandbox=True,
            )
        case "item/fileChange/requestApproval":
            changes = {"changes": objects(call, "changes")}
            return Asked(
                id, "permission", "Patch", changes, call_id, reason=reason, may_allow_session=True
            )
        case "item/tool/requestUserInput":
            questions = [_question(each) for each in objects(params, "questions")]
            return Asked(id, "question", "Question", {}, call_id, questions=questions)
    return None


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
