"""A talk with Codex's driver, in which a test is the server."""

import json
from typing import Any

from jobs_app.agents.base import Ask, Effect, Send, Turn
from jobs_app.agents.codex.talk import CodexDriver
from sessions_app.providers import Asked

THREAD, TURN = "01a21328-6825-79e0-8da7-cc53c2c81b36", "01a21328-6848-7292-89a6-2ab3b7a1978c"
COMMAND = "/bin/bash -lc 'touch a && echo b'"


class Talk:
    """A driver, and what it has sent."""

    def __init__(self, **fields: Any) -> None:
        turn = Turn("attempt", "Do it", "/repo", **{"asks": True, **fields})
        self.driver = CodexDriver(turn, "Context. Do it", "workspace-write")
        self.sent: list[dict[str, Any]] = []
        self.note(self.driver.begin())

    def note(self, effects: Any) -> list[Effect]:
        effects = list(effects)
        self.sent += [json.loads(effect.data) for effect in effects if isinstance(effect, Send)]
        return effects

    def say(self, **line: Any) -> list[Effect]:
        return self.note(self.driver.observe(line, json.dumps(line)))

    def answered(self, method: str, **line: Any) -> list[Effect]:
        """The server's answer to our latest request of this method."""
        [*_, request] = [each for each in self.sent if each.get("method") == method]
        return self.say(id=request["id"], **line)

    def told(self, method: str, **params: Any) -> list[Effect]:
        return self.say(method=method, params={"threadId": THREAD, **params})

    def begun(self) -> "Talk":
        """With its turn running."""
        self.answered("initialize", result={})
        opening = self.sent[-1]["method"]
        self.answered(opening, result={"thread": {"id": THREAD}})
        self.answered("turn/start", result={"turn": {"id": TURN}})
        self.told("turn/started", turn={"id": TURN})
        return self

    def ended(self, status: str = "completed", **fields: Any) -> list[Effect]:
        return self.told("turn/completed", turn={"id": TURN, "status": status, **fields})

    def asked(self, method: str = "item/commandExecution/requestApproval", **params: Any) -> Any:
        known = {"threadId": THREAD, "turnId": TURN, "itemId": "call_1"}
        return self.say(id=0, method=method, params={**known, **params})

    def asked_to_run(self) -> Asked:
        [ask] = self.asked(command=COMMAND, cwd="/repo", reason="Needs it")
        assert isinstance(ask, Ask)
        return ask.asked

    def answer(self, asked: Asked, **answer: Any) -> list[dict[str, Any]]:
        before = len(self.sent)
        self.note(self.driver.answer(asked, answer))
        return self.sent[before:]
