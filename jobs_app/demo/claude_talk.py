"""The demo agent in the control protocol of claude 2.1.330: it asks, and is talked to."""

import shlex
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from jobs_app.demo.claude import Claude
from jobs_app.demo.inbox import Inbox
from jobs_app.demo.stream import PIECE_PAUSE, Interrupted, Memory, Question, pieces

RULE = {"toolName": "Bash", "ruleContent": "printf *"}
SUGGESTION = {
    "type": "addRules",
    "rules": [RULE],
    "behavior": "allow",
    "destination": "session",
}
"""What "for this session" allows."""

STOPPED = "The user doesn't want to proceed with this tool use. The tool use was rejected."


class ClaudeTalk(Claude):
    """The events of `claude -p --input-format stream-json --output-format stream-json --verbose`,
    with `--permission-prompt-tool stdio` and `--include-partial-messages` where they are given."""

    capabilities = ("interrupt_cancel_queued_v1", "msg_lifecycle_v1")

    def __init__(self, conversation: Memory, arguments: Sequence[str]) -> None:
        super().__init__(conversation)
        self.can_ask = "--permission-prompt-tool=stdio" in arguments
        self._is_partial = "--include-partial-messages" in arguments
        rules = {f"{RULE['toolName']}({RULE['ruleContent']})", RULE["toolName"]}
        allowed = [a.partition("=")[2] for a in arguments if a.startswith("--allowedTools=")]
        self._may_write = bool(rules & set(",".join(allowed).split(",")))
        self._inbox = Inbox(self._hear)
        self._queued: deque[tuple[str, str]] = deque()
        self._taken_up: list[str] = []
        self._open: str | None = None
        self._answer: dict[str, Any] | None = None
        self._is_interrupted = self._is_over = False

    def prompts(self) -> Iterator[str]:
        """One for each turn, until the session is ended."""
        while True:
            self._inbox.wait(lambda: self._queued or self._is_over)
            if self._is_over or not self._queued:
                return
            yield self._take_up()

    # --- what comes -------------------------------------------------------------

    def _hear(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "user", "message": {"content": content}}:
                self._queued.append((str(message.get("uuid") or uuid.uuid4()), _text(content)))
                self._lifecycle(self._queued[-1][0], "queued")
            case {"type": "control_request", "request_id": str(id), "request": dict(request)}:
                self._obey(id, request)
            case {"type": "control_response", "response": {"request_id": id} as response}:
                if id == self._open:
                    answer = response.get("response")
                    self._answer = answer if isinstance(answer, dict) else {"behavior": "deny"}

    def _obey(self, id: str, request: dict[str, Any]) -> None:
        told: dict[str, Any] = {"subtype": "success", "request_id": id, "response": {}}
        match request.get("subtype"):
            case "interrupt":
                self._is_interrupted = True
                if request.get("cancel_queued"):
                    self._drop_queued()
                if self._open:
                    self.emit({"type": "control_cancel_request", "request_id": self._open})
                told["response"] = {"still_queued": [message for message, _ in self._queued]}
            case "end_session":
                self._is_over = True
            case "initialize":
                told["response"] = {"capabilities": list(self.capabilities)}
            case unknown:
                error = f"Unsupported control request subtype: {unknown}"
                told = {"subtype": "error", "request_id": id, "error": error}
        self.emit({"type": "control_response", "response": told})

    def _drop_queued(self) -> None:
        while self._queued:
            self._lifecycle(self._queued.popleft()[0], "cancelled")

    def _take_up(self) -> str:
        message, text = self._queued.popleft()
        self._taken_up.append(message)
        self._lifecycle(message, "started")
        return text

    def heard(self) -> Sequence[str]:
        texts = [self._take_up() for _ in range(len(self._queued))]
        for text in texts:
            self.read(text)
        return texts

    def pause(self, seconds: float) -> None:
        self._inbox.pause(seconds)
        self._stop_if_told()

    def _stop_if_told(self) -> None:
        if self._is_interrupted:
            raise Interrupted

    # --- what it asks -----------------------------------------------------------

    def choose(self, question: Question) -> str | None:
        options = [{"label": k, "description": v} for k, v in question.choices.items()]
        asked = {"question": question.text, "header": question.header, "options": options}
        input = {"questions": [{**asked, "multiSelect": False}]}
        call = self._use("AskUserQuestion", **input)
        answer = self._ask(call, "AskUserQuestion", input, requires_user_interaction=True)
        if answer is None:
            return None
        answers = answer.get("answers")
        chosen = answers.get(question.text) if isinstance(answers, dict) else None
        said = f'"{question.text}"="{chosen}"' if chosen else "nothing"
        self._result(call, f"Your questions have been answered: {said}.", answer)
        return str(chosen) if chosen else None

    def ask_to_write(self, name: str, text: str) -> bool:
        """By a shell's command, which may come back changed."""
        description = f"Write {name}"
        input: dict[str, Any] = {"command": _writing(name, text), "description": description}
        call = self._use("Bash", **input)
        if not self._may_write:
            more = {"description": description, "permission_suggestions": [SUGGESTION]}
            input = self._ask(call, "Bash", input, **more)
            if input is None:
                return False
        self._ran(call, *self.run(["/bin/sh", "-c", str(input.get("command"))]))
        return True

    def _ask(self, call: str, tool: str, input: dict[str, Any], **more: Any) -> Any:
        """The input that is allowed, None if the call is refused."""
        self._open, self._answer = str(uuid.uuid4()), None
        request = {"tool_name": tool, "display_name": tool, "input": input, "tool_use_id": call}
        request = {"subtype": "can_use_tool", **request, **more}
        self.emit({"type": "control_request", "request_id": self._open, "request": request})
        self._inbox.wait(lambda: self._answer or self._is_interrupted)
        answer: dict[str, Any] = self._answer or {}
        self._open = None
        if answer.get("behavior") == "allow":
            self._may_write |= bool(answer.get("updatedPermissions"))
            changed = answer.get("updatedInput")
            return changed if isinstance(changed, dict) else input
        self.denials.append({"tool_name": tool, "tool_use_id": call, "tool_input": input})
        self._result(call, str(answer.get("message") or STOPPED), {}, is_error=True)
        self._is_interrupted |= bool(answer.get("interrupt"))
        self._stop_if_told()
        return None

    # --- what it writes -----------------------------------------------------------

    def say(self, text: str) -> None:
        for piece in pieces(text) if self._is_partial else ():
            delta = {"type": "text_delta", "text": piece}
            self._event("stream_event", event={"type": "content_block_delta", "delta": delta})
            self.pause(PIECE_PAUSE)
        super().say(text)

    def interrupted(self) -> int:
        self._is_interrupted = False
        return super().interrupted()

    def _end(self, **fields: Any) -> None:
        for message in self._taken_up[1:]:
            self._lifecycle(message, "completed")
        super()._end(**fields)
        for message in self._taken_up[:1]:
            self._lifecycle(message, "completed")
        self._taken_up = []

    def _lifecycle(self, message: str, state: str) -> None:
        self.emit({"type": "command_lifecycle", "command_uuid": message, "state": state})


def _writing(name: str, text: str) -> str:
    """A command that uses no text unquoted."""
    lines = map(shlex.quote, text.splitlines())
    return " \\\n  ".join(["printf '%s\\n'", *lines, f"> {shlex.quote(name)}"])


def _text(content: Any) -> str:
    """That of a message's content; a picture is a word of it."""
    blocks = content if isinstance(content, list) else [{"text": content}]
    return "\n".join(str(b.get("text", "(a picture)")) for b in blocks if isinstance(b, dict))
