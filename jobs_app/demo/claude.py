"""The demo agent in the protocol of claude 2.1.330."""

import os
import shlex
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs_app.demo.stream import OUTPUT_LIMIT, Memory, Stream

MODEL = "demo"


class Claude(Stream):
    """The events of `claude -p --output-format stream-json --verbose`."""

    capabilities: Sequence[str] = ()

    def __init__(self, conversation: Memory) -> None:
        super().__init__(conversation)
        self.denials: list[dict[str, Any]] = []

    def begin(self) -> None:
        self.denials = []
        facts = {"cwd": os.getcwd(), "tools": ["Bash", "Read", "TodoWrite"], "model": MODEL}
        more = {"permissionMode": "default", "capabilities": list(self.capabilities)}
        self._event("system", subtype="init", mcp_servers=[], **facts, **more)

    def say(self, text: str) -> None:
        self.wrote(text)
        self._assistant({"type": "text", "text": text})

    def command(self, argv: list[str], description: str) -> str:
        call = self._use("Bash", command=shlex.join(argv), description=description)
        return self._ran(call, *self.run(argv))

    def _ran(self, call: str, text: str, code: int) -> str:
        told = {"stdout": text, "stderr": "", "interrupted": False, "isImage": False}
        self._result(call, text if code == 0 else f"Exit code {code}\n{text}", told, code != 0)
        return text

    def read_file(self, name: str) -> str:
        path = os.path.abspath(name)
        call = self._use("Read", file_path=path)
        text = Path(path).read_text(errors="replace")[:OUTPUT_LIMIT]
        self.read(text)
        lines = text.splitlines()
        numbered = "\n".join(f"{number}\t{line}" for number, line in enumerate(lines, start=1))
        file = {"filePath": path, "content": text, "numLines": len(lines), "startLine": 1}
        self._result(call, numbered, {"type": "text", "file": file})
        return text

    def plan(self, steps: list[str], done: int) -> None:
        states = ["completed"] * done + ["in_progress"] + ["pending"] * len(steps)
        pairs = zip(steps, states, strict=False)
        todos = [{"content": step, "status": state, "activeForm": step} for step, state in pairs]
        self._result(self._use("TodoWrite", todos=todos), "The plan was updated.", {})

    def finish(self, text: str) -> int:
        self.say(text)
        self._end(subtype="success", is_error=False, result=text, terminal_reason="completed")
        return 0

    def fail(self, text: str) -> int:
        self._end(subtype="success", is_error=True, result=text, terminal_reason="demo")
        return 1

    def interrupted(self) -> int:
        self._user({"type": "text", "text": "[Request interrupted by user]"})
        reason = {"terminal_reason": "aborted_tools", "errors": ["The run was interrupted."]}
        self._end(subtype="error_during_execution", is_error=True, **reason)
        return 0

    def _use(self, tool: str, **arguments: Any) -> str:
        call = f"demo_{uuid.uuid4().hex}"
        self._assistant({"type": "tool_use", "id": call, "name": tool, "input": arguments})
        return call

    def _result(self, call: str, text: str, told: dict[str, Any], is_error: bool = False) -> None:
        content = {"tool_use_id": call, "content": text, "is_error": is_error}
        self._user({"type": "tool_result", **content}, tool_use_result=told)

    def _assistant(self, block: dict[str, Any]) -> None:
        message = {
            "id": f"demo_{uuid.uuid4().hex}",
            "type": "message",
            "role": "assistant",
            "model": MODEL,
            "content": [block],
            "stop_reason": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},  # the result repeats the words
        }
        self._event("assistant", message=message)

    def _user(self, block: dict[str, Any], **fields: Any) -> None:
        self._event("user", message={"role": "user", "content": [block]}, **fields)

    def _end(self, **fields: Any) -> None:
        words_in = self.conversation.words_in - self.first_words[0]
        words_out = self.conversation.words_out - self.first_words[1]
        models = {MODEL: {"inputTokens": words_in, "outputTokens": words_out, "costUSD": 0}}
        self._event(
            "result",
            usage={"input_tokens": words_in, "output_tokens": words_out},
            modelUsage=models,
            model_usage_since_last_result=models,
            total_cost_usd=0,
            num_turns=1,
            permission_denials=self.denials,
            **fields,
        )

    def _event(self, type: str, **fields: Any) -> None:
        about = {"session_id": self.conversation.id, "uuid": str(uuid.uuid4())}
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.emit({"type": type, **fields, "parent_tool_use_id": None, **about, "timestamp": now})
