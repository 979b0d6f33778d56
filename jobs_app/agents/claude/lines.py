"""The lines that we write to Claude Code; its control protocol was measured with 2.1.330."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from jobs_app.agents.answering import joined
from jobs_app.agents.base import Send
from sessions_app.providers import Asked
from sessions_app.providers.asked import MODES

DENIED = "The person denied this."


def said(text: str, message: str, images: Sequence[dict[str, Any]] = ()) -> Send:
    """What a person says, after the blocks of its images; the tool tells of it under the UUID
    `message`."""
    words = escaped(text)
    content = {
        "role": "user",
        "content": [*images, {"type": "text", "text": words}] if images else words,
    }
    return _line({"type": "user", "message": content, "parent_tool_use_id": None, "uuid": message})


def escaped(text: str) -> str:
    """A leading slash would make it a command of the tool (/cost), unseen by the model."""
    return f"\n{text}" if text.startswith("/") else text


def request(subtype: str, **fields: Any) -> Send:
    """What we ask of the tool itself."""
    about = {"subtype": subtype, **fields}
    return _line({"type": "control_request", "request_id": str(uuid.uuid4()), "request": about})


def refusal(request_id: Any, why: str) -> Send:
    """To a request that nobody is asked about: the tool takes it as denied, and goes on."""
    return _response({"subtype": "error", "request_id": request_id, "error": why})


def reply(asked: Asked, answer: Mapping[str, Any]) -> Send:
    """A person's answer (see `jobs_app.answers` for its form)."""
    response = {"subtype": "success", "request_id": asked.id, "response": _decision(asked, answer)}
    return _response(response)


def _response(response: dict[str, Any]) -> Send:
    return _line({"type": "control_response", "response": response})


def _line(value: dict[str, Any]) -> Send:
    return Send(json.dumps(value).encode() + b"\n")


def _decision(asked: Asked, answer: Mapping[str, Any]) -> dict[str, Any]:
    match answer["decision"]:
        case "allow":
            # What was shown goes back, so that it is what runs.
            allowed = {"behavior": "allow", "updatedInput": answer.get("input", asked.input)}
            changes = _permissions(answer)
            return {**allowed, "updatedPermissions": changes} if changes else allowed
        case "reply":
            answers = {key: joined(chosen) for key, chosen in answer["answers"].items()}
            return {"behavior": "allow", "updatedInput": {**asked.input, "answers": answers}}
        case "stop":
            return {"behavior": "deny", "message": DENIED, "interrupt": True}
        case _:
            return {"behavior": "deny", "message": answer.get("why") or DENIED}


def _permissions(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Only for this process: other destinations are files of the project or the user."""
    changes: list[dict[str, Any]] = []
    if rules := answer.get("rules"):
        changes.append({"type": "addRules", "rules": _parsed(rules), "behavior": "allow"})
    if mode := chosen_mode(answer):
        changes.append({"type": "setMode", "mode": mode})
    return [{**change, "destination": "session"} for change in changes]


def chosen_mode(answer: Mapping[str, Any]) -> str | None:
    """In which a person wants the edits of an approved plan to go on, if one was chosen: no row
    that says otherwise leads to a bypass."""
    mode = answer.get("mode")
    return mode if mode in MODES else None


def _parsed(rules: Sequence[str]) -> list[dict[str, str]]:
    parted = [rule.partition("(") for rule in rules]
    return [
        {"toolName": tool, "ruleContent": content.removesuffix(")")}
        if bracket
        else {"toolName": tool}
        for tool, bracket, content in parted
    ]
