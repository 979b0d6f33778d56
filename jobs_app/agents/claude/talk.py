"""Talking with Claude Code by its stream-json control protocol; measured with 2.1.330."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs_app.agents.answering import resumed_prompt
from jobs_app.agents.base import Ask, Effect, Heard, Image, Turn, Unheard, Withdraw, Writing
from jobs_app.agents.claude import lines
from jobs_app.agents.claude.judge import ClaudeObserver
from jobs_app.outcomes import TURN_STOPPED, Outcome, Verdict
from sessions_app.providers import Asked
from sessions_app.providers.claude_requests import read_request
from sessions_app.providers.reading import string

QUIET = frozenset(
    {
        "command_lifecycle",
        "control_cancel_request",
        "control_response",
        "keep_alive",
        "stream_event",
    }
)
"""Events that tell nothing that another does not: pieces of messages, receipts."""

QUIET_SYSTEM = frozenset({"session_state_changed", "thinking_tokens"})


class ClaudeDriver:
    """See Driver. Its turn is over when the tool rests; then the session is ended by a request,
    because the tool's standard input has no end (`Command.input_outlives_us`)."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._judge = ClaudeObserver(turn)
        self._told: dict[str, str] = {}
        self._unfinished: set[str] = set()
        self._rests: bool | None = None
        self._is_writing = False
        self._is_stopped = False
        self._is_ending = False
        self._images = [_image_block(each) for each in turn.images]

    def begin(self) -> Sequence[Effect]:
        text = resumed_prompt(self._turn.decisions) or self._turn.prompt
        images, self._images = self._images, []
        return [lines.said(text, str(uuid.uuid4()), images)]

    def keeps(self, data: dict[str, Any]) -> bool:
        kind, subtype = string(data, "type"), string(data, "subtype")
        if kind == "system":
            is_request = subtype == "status" and data.get("status") == "requesting"
            return not is_request and subtype not in QUIET_SYSTEM
        return kind not in QUIET

    def observe(self, data: dict[str, Any], raw: str) -> Sequence[Effect]:
        match data.get("type"):
            case "stream_event":
                return self._draft(data)
            case "control_request":
                return self._request(data, raw)
            case "control_cancel_request":
                return [Withdraw(str(data.get("request_id")))]
            case "command_lifecycle":
                effects = self._receipt(data)
            case _:
                self._judge.observe(data)
                self._observe_state(data)
                effects = self._ended_draft(data)
        return [*effects, *self._end()]

    # --- what it asks ---------------------------------------------------------

    def _request(self, data: dict[str, Any], raw: str) -> Sequence[Effect]:
        asked = read_request(data)
        if asked is not None and self._turn.asks:
            return [Ask(asked, raw)]
        return [lines.refusal(data.get("request_id"), "Nobody can answer this request.")]

    def answer(self, asked: Asked, answer: Mapping[str, Any]) -> Sequence[Effect]:
        self._is_stopped = self._is_stopped or answer["decision"] == "stop"
        return [lines.reply(asked, answer)]

    # --- what it is told ------------------------------------------------------

    def tell(self, id: str, text: str) -> Sequence[Effect]:
        """What comes after the request to end the session would be dropped silently."""
        if self._is_ending:
            return [Unheard(id)]
        message = str(uuid.uuid4())
        self._told[message] = id
        self._unfinished.add(message)
        return [lines.said(text, message)]

    def _receipt(self, data: dict[str, Any]) -> list[Effect]:
        """A message is queued, started, and in the end completed or cancelled."""
        message, state = str(data.get("command_uuid")), data.get("state")
        if state in ("completed", "cancelled"):
            self._unfinished.discard(message)
        if message not in self._told or state not in ("started", "completed", "cancelled"):
            return []
        told = self._told.pop(message)
        return [Unheard(told) if state == "cancelled" else Heard(told)]

    def interrupt(self, *, is_last: bool) -> Sequence[Effect]:
        return [lines.request("interrupt", cancel_queued=is_last)]

    # --- what it is writing ---------------------------------------------------

    def _draft(self, data: dict[str, Any]) -> Sequence[Effect]:
        event = data.get("event")
        if data.get("parent_tool_use_id") or not isinstance(event, dict):
            return []
        if event.get("type") == "message_start":  # again, where the answer before was cut off
            return self._dropped_draft()
        delta = event.get("delta")
        text = delta.get("text") if isinstance(delta, dict) else None
        if event.get("type") != "content_block_delta" or not isinstance(text, str) or not text:
            return []
        self._is_writing = True
        return [Writing(text)]

    def _ended_draft(self, data: dict[str, Any]) -> list[Effect]:
        is_message = data.get("type") in ("assistant", "result")
        return self._dropped_draft() if is_message and not data.get("parent_tool_use_id") else []

    def _dropped_draft(self) -> list[Effect]:
        was_writing, self._is_writing = self._is_writing, False
        return [Writing("")] if was_writing else []

    # --- its end ----------------------------------------------------------------

    def _observe_state(self, data: dict[str, Any]) -> None:
        """It rests once it has nothing more to do; while a task runs in the background, only until
        the task's end begins another turn. One that tells no states has ended with its result."""
        if data.get("subtype") == "session_state_changed":
            self._rests = data.get("state") == "idle" and not self._judge.is_in_background

    def _end(self) -> list[Effect]:
        rests = self._judge.is_over if self._rests is None else self._rests
        if not rests or self._unfinished or self._is_ending:
            return []
        self._is_ending = True
        return [lines.request("end_session")]

    @property
    def is_over(self) -> bool:
        return not self._unfinished and (self._judge.is_over or self._rests is True)

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        verdict = self._judge.verdict(exit_code, stderr)
        is_success = verdict.outcome is Outcome.SUCCEEDED
        return TURN_STOPPED if self._is_stopped and not is_success else verdict


def _image_block(image: Image) -> dict[str, Any]:
    data = base64.b64encode(Path(image.path).read_bytes()).decode("ascii")
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": image.type, "data": data},
    }
