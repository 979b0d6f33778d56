"""The demo agent in the protocol of codex 0.169.0."""

import itertools
import shlex
from typing import Any

from jobs_app.demo.stream import Memory, Stream


class Codex(Stream):
    """The events of `codex exec --json`."""

    def __init__(self, conversation: Memory) -> None:
        super().__init__(conversation)
        self._numbers = itertools.count()
        self._plan_id = ""

    def begin(self) -> None:
        self.emit({"type": "thread.started", "thread_id": self.conversation.id})
        self.emit({"type": "turn.started"})

    def say(self, text: str) -> None:
        self.wrote(text)
        self._item("completed", self._next_id(), "agent_message", text=text)

    def command(self, argv: list[str], description: str) -> str:
        call, command = self._next_id(), {"command": shlex.join(argv)}
        begun = {"aggregated_output": "", "exit_code": None, "status": "in_progress"}
        self._item("started", call, "command_execution", **command, **begun)
        text, code = self.run(argv)
        status = "completed" if code == 0 else "failed"
        ended = {"aggregated_output": text, "exit_code": code, "status": status}
        self._item("completed", call, "command_execution", **command, **ended)
        return text

    def read_file(self, name: str) -> str:
        return self.command(["cat", name], "")

    def plan(self, steps: list[str], done: int) -> None:
        event = "completed" if done == len(steps) else "updated" if self._plan_id else "started"
        self._plan_id = self._plan_id or self._next_id()
        items = [{"text": step, "completed": place < done} for place, step in enumerate(steps)]
        self._item(event, self._plan_id, "todo_list", items=items)

    def finish(self, text: str) -> int:
        self.say(text)
        words = {
            "input_tokens": self.conversation.words_in,
            "output_tokens": self.conversation.words_out,
        }
        self.emit({"type": "turn.completed", "usage": words})
        return 0

    def fail(self, text: str) -> int:
        self.emit({"type": "error", "message": text})
        self.emit({"type": "turn.failed", "error": {"message": text}})
        return 1

    def interrupted(self) -> int:
        return 1

    def _next_id(self) -> str:
        return f"item_{next(self._numbers)}"

    def _item(self, event: str, id: str, type: str, **fields: Any) -> None:
        self.emit({"type": f"item.{event}", "item": {"id": id, "type": type, **fields}})
