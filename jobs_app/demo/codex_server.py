"""The demo agent as codex 0.169.0's app-server: it asks, and is talked to."""

import itertools
import os
import shlex
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs_app.demo.inbox import Inbox
from jobs_app.demo.stream import PIECE_PAUSE, Interrupted, Memory, Question, Stream, pieces

INVALID_REQUEST = -32600
"""JSON-RPC's code, which codex gives with every error."""

STATES = ("completed", "inProgress", "pending")


class CodexServer(Stream):
    """What `codex app-server` says on standard output: notifications, requests and replies."""

    def __init__(self) -> None:
        super().__init__(Memory.new())
        self._inbox = Inbox(self._hear)
        self._numbers = itertools.count()
        self._policy: Any = None
        self._prompt: str | None = None
        self._turn = ""
        self._told: deque[tuple[str | None, str]] = deque()
        self._open: int | None = None
        self._answer: dict[str, Any] | None = None
        self._is_interrupted = self._may_write = False

    def prompts(self) -> Iterator[str]:
        """One for each turn, until standard input ends."""
        while True:
            self._inbox.wait(lambda: self._prompt is not None)
            if self._prompt is None:
                return
            prompt, self._prompt = self._prompt, None
            yield prompt

    # --- what comes -------------------------------------------------------------

    def _hear(self, message: dict[str, Any]) -> None:
        id, params = message.get("id"), message.get("params")
        if "method" in message:
            if id is not None:
                self._obey(id, str(message["method"]), params if isinstance(params, dict) else {})
        elif id == self._open:
            result = message.get("result")
            self._answer = result if isinstance(result, dict) else {"decision": "decline"}

    def _obey(self, id: Any, method: str, params: dict[str, Any]) -> None:
        match method:
            case "initialize":
                self._reply(id, {"userAgent": "demo", "platformFamily": "unix"})
            case "thread/start":
                self._open_thread(id, Memory.new(), params)
            case "thread/resume":
                self._open_thread(id, Memory.of(str(params.get("threadId"))), params)
            case "turn/start" if not self._turn:
                self._turn, self._prompt = str(uuid.uuid4()), _text(params)
                self.can_ask = params.get("approvalPolicy", self._policy) != "never"
                self._reply(id, {"turn": self._turn_state("inProgress")})
            case "turn/steer" if self._turn and params.get("expectedTurnId") == self._turn:
                self._told.append((params.get("clientUserMessageId"), _text(params)))
                self._reply(id, {"turnId": self._turn})
            case "turn/steer":
                self._refuse(id, "no active turn to steer")
            case "turn/interrupt":
                self._is_interrupted = bool(self._turn)
                self._reply(id, {})
            case _:
                self._refuse(id, f"the demo agent does not know {method}")

    def _open_thread(self, id: Any, conversation: Memory | None, params: dict[str, Any]) -> None:
        if conversation is None:
            self._refuse(id, f"no rollout found for thread id {params.get('threadId')}")
            return
        conversation.save()
        self.conversation = conversation
        self._policy = params.get("approvalPolicy")
        thread = {"id": conversation.id, "status": {"type": "idle"}}
        self._reply(id, {"thread": thread, "model": "demo", "approvalPolicy": self._policy})
        self._notify("thread/started", thread=thread)

    def heard(self) -> Sequence[str]:
        texts = []
        while self._told:
            client, text = self._told.popleft()
            self.read(text)
            self._say_user(text, client)
            texts.append(text)
        return texts

    def pause(self, seconds: float) -> None:
        self._inbox.pause(seconds)
        self._stop_if_told()

    def _stop_if_told(self) -> None:
        if self._inbox.is_closed:
            sys.exit()
        if self._is_interrupted:
            raise Interrupted

    # --- what it asks -----------------------------------------------------------

    def choose(self, question: Question) -> str | None:
        options = [{"label": k, "description": v} for k, v in question.choices.items()]
        words = {"id": question.id, "header": question.header, "question": question.text}
        asked = {**words, "isOther": True, "isSecret": False, "options": options}
        answer = self._ask("item/tool/requestUserInput", self._next_id(), questions=[asked])
        match answer.get("answers"):
            case {question.id: {"answers": [str(chosen), *_]}}:
                return chosen
        return None

    def ask_to_write(self, name: str, text: str) -> bool:
        """By a patch."""
        change = {"path": os.path.abspath(name), "kind": {"type": "add"}, "diff": text}
        call = self._next_id()
        self._item("started", "fileChange", call, changes=[change], status="inProgress")
        if not self._may_write and not self._is_allowed(call, f"Write {name}"):
            self._item("completed", "fileChange", call, changes=[change], status="declined")
            self._stop_if_told()
            return False
        Path(name).write_text(text)
        self._item("completed", "fileChange", call, changes=[change], status="completed")
        return True

    def _is_allowed(self, call: str, reason: str) -> bool:
        method = "item/fileChange/requestApproval"
        decision = self._ask(method, call, reason=reason, grantRoot=None).get("decision")
        self._may_write = decision == "acceptForSession"
        self._is_interrupted |= decision == "cancel"
        return decision in ("accept", "acceptForSession")

    def _ask(self, method: str, call: str, **params: Any) -> dict[str, Any]:
        self._open, self._answer = next(self._numbers), None
        about = {"threadId": self.conversation.id, "turnId": self._turn, "itemId": call}
        self.emit({"method": method, "id": self._open, "params": {**about, **params}})
        self._inbox.wait(lambda: self._answer is not None or self._is_interrupted)
        self._notify("serverRequest/resolved", requestId=self._open)
        self._open = None
        self._stop_if_told()
        return self._answer or {}

    # --- what it writes -----------------------------------------------------------

    def start(self, prompt: str) -> None:
        super().start(prompt)
        self._say_user(prompt, None)

    def begin(self) -> None:
        self._notify("turn/started", turn=self._turn_state("inProgress"))

    def say(self, text: str) -> None:
        self.wrote(text)
        message = self._next_id()
        self._item("started", "agentMessage", message, text="")
        for piece in pieces(text):
            self._notify("item/agentMessage/delta", itemId=message, delta=piece)
            self.pause(PIECE_PAUSE)
        self._item("completed", "agentMessage", message, text=text)

    def command(self, argv: list[str], description: str) -> str:
        call, shown = self._next_id(), {"command": shlex.join(argv), "cwd": os.getcwd()}
        self._item("started", "commandExecution", call, **shown, status="inProgress")
        text, code = self.run(argv)
        status = "completed" if code == 0 else "failed"
        ended = {"aggregatedOutput": text, "exitCode": code, "status": status}
        self._item("completed", "commandExecution", call, **shown, **ended)
        return text

    def read_file(self, name: str) -> str:
        return self.command(["cat", name], "")

    def plan(self, steps: list[str], done: int) -> None:
        states = [STATES[0]] * done + [STATES[1]] + [STATES[2]] * len(steps)
        pairs = zip(steps, states, strict=False)
        self._notify("turn/plan/updated", plan=[{"step": s, "status": t} for s, t in pairs])

    def finish(self, text: str) -> int:
        self.say(text)
        self._end("completed")
        return 0

    def fail(self, text: str) -> int:
        error = {"message": text, "codexErrorInfo": None}
        self._notify("error", error=error, willRetry=False)
        self._end("failed", error)
        return 1

    def interrupted(self) -> int:
        self._end("interrupted")
        return 1

    def _end(self, status: str, error: dict[str, Any] | None = None) -> None:
        total = (self.conversation.words_in, self.conversation.words_out)
        last = [now - then for now, then in zip(total, self.first_words, strict=True)]
        usage = {"total": _tokens(*total), "last": _tokens(*last)}
        self._notify("thread/tokenUsage/updated", tokenUsage=usage)
        turn, self._turn = {**self._turn_state(status), "error": error}, ""
        self._is_interrupted = False
        self._told.clear()
        self._notify("turn/completed", turn=turn, turnId=turn["id"])

    def _say_user(self, text: str, client: str | None) -> None:
        message, content = self._next_id(), [{"type": "text", "text": text}]
        for event in ("started", "completed"):
            self._item(event, "userMessage", message, content=content, clientId=client)

    def _turn_state(self, status: str) -> dict[str, Any]:
        return {"id": self._turn, "items": [], "status": status, "error": None}

    def _item(self, event: str, type: str, id: str, **fields: Any) -> None:
        self._notify(f"item/{event}", item={"type": type, "id": id, **fields})

    def _notify(self, method: str, **params: Any) -> None:
        about = {"threadId": self.conversation.id, "turnId": self._turn}
        now = int(time.time() * 1000)
        self.emit({"method": method, "params": {**about, **params}, "emittedAtMs": now})

    def _reply(self, id: Any, result: dict[str, Any]) -> None:
        self.emit({"id": id, "result": result})

    def _refuse(self, id: Any, why: str) -> None:
        self.emit({"id": id, "error": {"code": INVALID_REQUEST, "message": why}})

    def _next_id(self) -> str:
        return f"demo_{uuid.uuid4().hex}"


def _tokens(words_in: int, words_out: int) -> dict[str, int]:
    return {
        "totalTokens": words_in + words_out,
        "inputTokens": words_in,
        "cachedInputTokens": 0,
        "outputTokens": words_out,
        "reasoningOutputTokens": 0,
    }


def _text(params: dict[str, Any]) -> str:
    """That of a turn's input; a picture is a word of it."""
    parts = params.get("input")
    known = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "\n".join(str(part.get("text", "(a picture)")) for part in known)
