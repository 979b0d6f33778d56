"""Talking with Claude Code by its stream-json control protocol; measured with 2.1.330."""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs_app.agents.answering import resumed_prompt
from jobs_app.agents.base import Ask, Effect, Heard, Image, Send, Turn, Withdraw, Writing
from jobs_app.agents.claude.judge import ClaudeObserver
from jobs_app.outcomes import Verdict
from sessions_app.providers import Asked
from sessions_app.providers.claude_requests import read_request

QUIET = frozenset({"stream_event", "control_response", "control_cancel_request", "keep_alive"})
"""Events that tell nothing that another does not: pieces of messages, receipts."""

DENIED = "The person denied this."


class ClaudeDriver:
    """See Driver. A turn ends with `result`; then the session is ended by a request, because the
    tool's standard input has no end (`Command.input_outlives_us`)."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._judge = ClaudeObserver(turn)
        self._queued: set[str] = set()
        self._told: dict[str, str] = {}
        self._is_writing = False
        self._is_ending = False
        self._images = [_image_block(image) for image in turn.images]

    def begin(self) -> Sequence[Effect]:
        text = _escaped(resumed_prompt(self._turn.decisions) or self._turn.prompt)
        images, self._images = self._images, []
        content = [*images, {"type": "text", "text": text}] if images else text
        return [_line(_user(content, str(uuid.uuid4())))]

    def keeps(self, data: dict[str, Any]) -> bool:
        if data.get("type") == "command_lifecycle":
            return False
        if data.get("type") == "system" and data.get("subtype") == "status":
            return data.get("permissionMode") is not None
        return data.get("type") not in QUIET

    def observe(self, data: dict[str, Any], raw: str) -> Sequence[Effect]:
        match data.get("type"):
            case "stream_event":
                return self._draft(data)
            case "control_request":
                return self._request(data, raw)
            case "control_cancel_request":
                return [Withdraw(str(data.get("request_id")))]
            case "command_lifecycle":
                effects = self._lifecycle(data)
            case _:
                self._judge.observe(data)
                effects = self._ended_draft(data)
        return [*effects, *self._end()]

    def _end(self) -> list[Effect]:
        if not self.is_over or self._is_ending:
            return []
        self._is_ending = True
        return [_control({"subtype": "end_session"})]

    # --- what it asks ---------------------------------------------------------

    def _request(self, data: dict[str, Any], raw: str) -> Sequence[Effect]:
        asked = read_request(data)
        if asked is not None:
            return [Ask(asked, raw)]
        error = {"subtype": "error", "request_id": data.get("request_id"), "error": "unsupported"}
        return [_line({"type": "control_response", "response": error})]

    def answer(self, asked: Asked, answer: Mapping[str, Any]) -> Sequence[Effect]:
        """See Driver."""
        response = {"subtype": "success", "request_id": asked.id}
        reply = _reply(asked, answer)
        return [_line({"type": "control_response", "response": {**response, "response": reply}})]

    # --- what it is told ------------------------------------------------------

    def tell(self, id: str, text: str) -> Sequence[Effect]:
        """Each message has a UUID of its own, by which `command_lifecycle` tells of it."""
        message = str(uuid.uuid4())
        self._told[message] = id
        self._queued.add(message)
        return [_line(_user(_escaped(text), message))]

    def _lifecycle(self, data: dict[str, Any]) -> list[Effect]:
        message, state = str(data.get("command_uuid")), data.get("state")
        if state in ("completed", "cancelled"):
            self._queued.discard(message)
        if state == "started" and message in self._told:
            return [Heard(self._told.pop(message))]
        return []

    def interrupt(self, *, is_last: bool) -> Sequence[Effect]:
        return [_control({"subtype": "interrupt", "cancel_queued": is_last})]

    # --- what it is writing ---------------------------------------------------

    def _draft(self, data: dict[str, Any]) -> Sequence[Effect]:
        event = data.get("event")
        if data.get("parent_tool_use_id") or not isinstance(event, dict):
            return []
        delta = event.get("delta")
        text = delta.get("text") if isinstance(delta, dict) else None
        if event.get("type") != "content_block_delta" or not isinstance(text, str) or not text:
            return []
        self._is_writing = True
        return [Writing(text)]

    def _ended_draft(self, data: dict[str, Any]) -> list[Effect]:
        if not self._is_writing or data.get("type") not in ("assistant", "result"):
            return []
        self._is_writing = False
        return [Writing("")]

    # --- its end ----------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        return self._judge.is_over and not self._queued

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        return self._judge.verdict(exit_code, stderr)


def _reply(asked: Asked, answer: Mapping[str, Any]) -> dict[str, Any]:
    match answer["decision"]:
        case "allow":
            reply: dict[str, Any] = {"behavior": "allow"}
            reply["updatedInput"] = answer.get("input") or asked.input
            if answer.get("rules"):
                reply["updatedPermissions"] = [_for_session(answer["rules"])]
            if answer.get("mode"):
                mode = {"type": "setMode", "mode": answer["mode"], "destination": "session"}
                reply["updatedPermissions"] = [mode]
            return reply
        case "reply":
            answers = {key: ", ".join(chosen) for key, chosen in answer["answers"].items()}
            return {"behavior": "allow", "updatedInput": {**asked.input, "answers": answers}}
        case "stop":
            return {"behavior": "deny", "message": DENIED, "interrupt": True}
        case _:
            return {"behavior": "deny", "message": answer.get("why") or DENIED}


def _for_session(rules: Sequence[str]) -> dict[str, Any]:
    """Never a destination that is a file of the project."""
    parsed = []
    for rule in rules:
        tool, bracket, content = rule.partition("(")
        parsed.append(
            {"toolName": tool, "ruleContent": content.removesuffix(")")}
            if bracket
            else {"toolName": tool}
        )
    return {"type": "addRules", "rules": parsed, "behavior": "allow", "destination": "session"}


def _escaped(prompt: str) -> str:
    """A leading slash would make it a command of the tool (/cost), unseen by the model."""
    return f"\n{prompt}" if prompt.startswith("/") else prompt


def _image_block(image: Image) -> dict[str, Any]:
    data = base64.b64encode(Path(image.path).read_bytes()).decode("ascii")
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": image.type, "data": data},
    }


def _user(content: Any, message: str) -> dict[str, Any]:
    said = {"role": "user", "content": content}
    return {"type": "user", "message": said, "parent_tool_use_id": None, "uuid": message}


def _control(request: dict[str, Any]) -> Send:
    identifier = str(uuid.uuid4())
    return _line({"type": "control_request", "request_id": identifier, "request": request})


def _line(value: dict[str, Any]) -> Send:
    return Send(json.dumps(value).encode() + b"\n")
