"""Talking with Codex as the client of its app-server; measured with 0.169.0."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobs_app.agents.answering import resumed_prompt
from jobs_app.agents.base import (
    Ask,
    CloseInput,
    Effect,
    Heard,
    Send,
    Turn,
    Unheard,
    Withdraw,
    Writing,
)
from jobs_app.agents.codex import decisions, protocol
from jobs_app.agents.codex.judge import CodexObserver
from jobs_app.outcomes import TURN_STOPPED, Verdict
from sessions_app.providers import Asked
from sessions_app.providers.codex_app_server import USED_TOKENS, is_told_of, opened_thread
from sessions_app.providers.codex_requests import read_request

Message = dict[str, Any]
Then = Callable[[Message], Sequence[Effect]]
"""What follows from a response."""


class CodexDriver:
    """See Driver. A turn ends with `turn/completed`; the server exits when its input ends."""

    def __init__(self, turn: Turn, prompt: str, sandbox: str) -> None:
        self._turn = turn
        self._prompt = prompt
        self._sandbox = sandbox
        self._policy = protocol.GRANULAR if turn.asks else protocol.NEVER
        self._judge = CodexObserver(turn)
        self._numbers = itertools.count(1)
        self._responses: dict[int, tuple[Then, Then]] = {}
        self._model = turn.model
        self._thread = ""
        self._running = ""
        self._untold: list[tuple[str, str]] = []
        self._told: set[str] = set()
        self._patches: dict[str, Message] = {}
        self._asked: dict[str, Any] = {}
        self._is_writing = False
        self._is_stopped = False
        self._has_ended = False

    # --- the start of a turn ----------------------------------------------------

    def begin(self) -> Sequence[Effect]:
        return [self._call("initialize", protocol.CLIENT, self._initialized)]

    def _initialized(self, result: Message) -> Sequence[Effect]:
        return [protocol.notification("initialized"), *self._ask_for_model(), self._open_thread()]

    def _ask_for_model(self) -> Sequence[Effect]:
        """A resumed thread keeps the model of its last turn, also where the prompt names none and
        the host's own is meant, as with `codex exec`. This is answered before the thread is."""
        if self._model or self._turn.resume is None:
            return ()
        where = {"cwd": self._turn.project_path}
        return [self._call("config/read", where, self._configured, _nothing)]

    def _configured(self, result: Message) -> Sequence[Effect]:
        model = _object(result, "config").get("model")
        self._model = model if isinstance(model, str) else None
        return ()

    def _open_thread(self) -> Send:
        """With policy and sandbox each time: a conversation forgets its sandbox."""
        turn = self._turn
        params: Message = {
            "cwd": turn.project_path,
            "approvalPolicy": self._policy,
            "approvalsReviewer": "user",
            "sandbox": self._sandbox,
            **({"model": turn.model} if turn.model else {}),
        }
        if turn.resume is None:
            return self._call("thread/start", params, self._opened, self._not_opened)
        params |= {"threadId": turn.resume, "excludeTurns": True}
        return self._call("thread/resume", params, self._opened, self._not_opened)

    def _not_opened(self, error: Message) -> Sequence[Effect]:
        if self._policy == protocol.GRANULAR and "granular" in str(error.get("message")):
            self._policy = protocol.ON_REQUEST
            return [self._open_thread()]
        return self._refused(error)

    def _opened(self, result: Message) -> Sequence[Effect]:
        self._thread = opened_thread({"result": result})
        turn = self._turn
        input = [*protocol.text(self._said()), *protocol.pictures(turn.images)]
        params: Message = {"threadId": self._thread, "input": input}
        params |= {"effort": turn.effort} if turn.effort else {}
        params |= {"model": self._model} if self._model else {}
        return [self._call("turn/start", params, self._begun)]

    def _said(self) -> str:
        told = [decisions.in_words(each) for each in self._turn.decisions]
        return resumed_prompt(told) or self._prompt

    def _begun(self, result: Message) -> Sequence[Effect]:
        self._running = str(_object(result, "turn").get("id"))
        untold, self._untold = self._untold, []
        return [effect for id, text in untold for effect in self.tell(id, text)]

    def _refused(self, error: Message) -> Sequence[Effect]:
        self._judge.refused(error)
        return ()

    # --- what it says -----------------------------------------------------------

    def keeps(self, data: Message) -> bool:
        """What a helper of the agent does in a thread of its own is told by the agent's call; but
        its tokens are used, and what it asks waits."""
        if not is_told_of(data) or self._is_expected(data):
            return False
        return "id" in data or data.get("method") == USED_TOKENS or self._is_ours(data)

    def _is_expected(self, data: Message) -> bool:
        """A refusal from which the turn goes on."""
        number = data.get("id")
        waiting = self._responses.get(number) if isinstance(number, int) else None
        needed = (self._refused, self._not_opened)
        return "error" in data and waiting is not None and waiting[1] not in needed

    def _is_ours(self, data: Message) -> bool:
        return _object(data, "params").get("threadId") in (None, self._thread)

    def observe(self, data: Message, raw: str) -> Sequence[Effect]:
        if self._has_ended:
            self._judge.observe(data)
            return ()
        return [*self._heard(data, raw), *self._end()]

    def _heard(self, data: Message, raw: str) -> Sequence[Effect]:
        method, params = data.get("method"), _object(data, "params")
        if not isinstance(method, str):
            return self._answered(data)
        if "id" in data:
            return self._requested(data, raw)
        if method == "serverRequest/resolved":
            return self._resolved(json.dumps(params.get("requestId")))
        self._note_patch(method, _object(params, "item"))
        if not self._is_ours(data):
            return ()
        self._judge.observe(data)
        if method == "item/agentMessage/delta":
            return self._draft(params)
        return self._item(method, _object(params, "item"))

    def _note_patch(self, method: str, item: Message) -> None:
        """Also a helper's: it may be asked about, and only here does it say what would change."""
        if item.get("type") == "fileChange" and method == "item/started":
            self._patches[str(item.get("id"))] = item
        elif method == "item/completed":
            self._patches.pop(str(item.get("id")), None)

    def _answered(self, data: Message) -> Sequence[Effect]:
        """A response; what answers no call of ours says nothing."""
        number = data.get("id")
        if not isinstance(number, int) or number not in self._responses:
            return ()
        on_result, on_error = self._responses.pop(number)
        if "error" in data:
            return on_error(_object(data, "error"))
        self._judge.observe(data)
        return on_result(_object(data, "result"))

    def _item(self, method: str, item: Message) -> Sequence[Effect]:
        match method, item.get("type"):
            case "item/completed", "agentMessage":
                return self._ended_draft()
            case "item/started", "userMessage":
                return self._receipt(str(item.get("clientId")))
        return ()

    def _receipt(self, id: str) -> Sequence[Effect]:
        if id not in self._told:
            return ()
        self._told.remove(id)
        return [Heard(id)]

    def _draft(self, params: Message) -> Sequence[Effect]:
        piece = params.get("delta")
        if not isinstance(piece, str) or not piece:
            return ()
        self._is_writing = True
        return [Writing(piece)]

    def _ended_draft(self) -> Sequence[Effect]:
        was_writing, self._is_writing = self._is_writing, False
        return [Writing("")] if was_writing else ()

    # --- what it asks -----------------------------------------------------------

    def _requested(self, data: Message, raw: str) -> Sequence[Effect]:
        params = _object(data, "params")
        call = self._patches.get(str(params.get("itemId")))
        asked = read_request(data, call or {})
        if asked is None:
            said = "PokéCode cannot answer this, so it is refused."
            return [protocol.error(data.get("id"), protocol.UNSUPPORTED, said)]
        if not self._turn.asks:
            said = "Nobody is asked in this session, so it is refused."
            return [protocol.error(data.get("id"), protocol.REFUSED, said)]
        self._asked[asked.id] = data.get("id")
        return [Ask(asked, raw, json.dumps(call) if call else None)]

    def _resolved(self, id: str) -> Sequence[Effect]:
        """Also told of what we have answered."""
        return [Withdraw(id)] if self._asked.pop(id, None) is not None else ()

    def answer(self, asked: Asked, answer: Mapping[str, Any]) -> Sequence[Effect]:
        """See Driver. Of an answer that comes after the request was withdrawn only a stop has an
        effect."""
        request = self._asked.pop(asked.id, None)
        is_stop = answer["decision"] == "stop"
        was_stopped, self._is_stopped = self._is_stopped, self._is_stopped or is_stop
        if request is None:
            return self._stop() if is_stop and not was_stopped else ()
        response = decisions.response(request, asked, answer)
        if is_stop:
            return [response, *(self._stop() if asked.kind == "question" else ())]
        # A denial has no place for words, so they go ahead of it.
        words = [self._steer(answer["why"])] if answer.get("why") else []
        return [*words, response]

    # --- what it is told --------------------------------------------------------

    def tell(self, id: str, text: str) -> Sequence[Effect]:
        """See Driver. Before the turn has begun it waits for that."""
        if self._has_ended:
            return [Unheard(id)]
        if not self._running:
            self._untold.append((id, text))
            return ()
        self._told.add(id)
        return [self._steer(text, id)]

    def _steer(self, text: str, id: str | None = None) -> Send:
        params = {
            "threadId": self._thread,
            "expectedTurnId": self._running,
            "input": protocol.text(text),
            "clientUserMessageId": id,
        }
        return self._call("turn/steer", params, _nothing, lambda error: self._untaken(id))

    def _untaken(self, id: str | None) -> Sequence[Effect]:
        self._told.discard(id or "")
        return [Unheard(id)] if id else ()

    def interrupt(self, *, is_last: bool) -> Sequence[Effect]:
        """See Driver. Without a turn there is nothing to keep: the server may exit."""
        return self._stop() if self._running else self._close()

    def _stop(self) -> Sequence[Effect]:
        params = {"threadId": self._thread, "turnId": self._running}
        return [self._call("turn/interrupt", params, _nothing, _nothing)]

    # --- its end ----------------------------------------------------------------

    def _end(self) -> Sequence[Effect]:
        return [*self._ended_draft(), *self._close()] if self.is_over else ()

    def _close(self) -> Sequence[Effect]:
        if self._has_ended:
            return ()
        self._has_ended = True
        return [CloseInput()]

    @property
    def is_over(self) -> bool:
        return self._judge.is_over

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        verdict = self._judge.verdict(exit_code, stderr)
        return TURN_STOPPED if self._is_stopped and self._judge.is_interrupted else verdict

    def _call(
        self, method: str, params: Mapping[str, Any], then: Then, otherwise: Then | None = None
    ) -> Send:
        number = next(self._numbers)
        self._responses[number] = (then, otherwise or self._refused)
        return protocol.call(number, method, params)


def _nothing(response: Message) -> Sequence[Effect]:
    return ()


def _object(data: Mapping[str, Any], key: str) -> Message:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
