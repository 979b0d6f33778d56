"""The fake claude's side of the control protocol: what it asks, hears, and is stopped by.

What it has done for a prompt it keeps in its home, by the conversation's id: one that is resumed
with that prompt, or told to go on, goes on from there, and makes the call anew that it has not
made. Each call is written to the log `calls`, one JSON object a line: {event, job, call, input,
marker}, where `event` is asked, ran (before that call's own `seconds`), denied or refused.
"""

import json
import os
import queue
import sys
import threading
import time
import uuid
from pathlib import Path

GO_ON = "go on with your work."
"""How a prompt ends that tells the answers to what was asked: jobs_app/agents/answering.py."""


class Memory:
    """`directives` of the last prompt, and how many of its calls are done."""

    def __init__(self, conversation, prompt, directives):
        self._path = Path.home() / ".fake-claude" / f"{conversation}.json"
        known = json.loads(self._path.read_text()) if self._path.exists() else {}
        goes_on = prompt.endswith(GO_ON)
        self.directives = known.get("directives", {}) if goes_on else directives
        is_same = known.get("directives") == self.directives
        self.done = known.get("done", 0) if is_same else 0
        self.told = known.get("told", []) if is_same else []

    def keep(self):
        self._path.parent.mkdir(exist_ok=True)
        part = self._path.with_suffix(".part")
        with part.open("w") as file:
            json.dump(vars(self) | {"_path": None}, file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self._path)


class Talk:
    """`write` prints an event, `stop` ends the turn, `end` the process."""

    def __init__(self, memory, marker, may_ask, write, stop, end):
        self._memory = memory
        self._wanted = memory.directives
        self._marker = marker
        self._may_ask = may_ask
        self._write = write
        self._stop = stop
        self._end = end
        self._answers = {}
        self._words = []
        self._lock = threading.Lock()
        self.is_stopped = False

    # --- what comes in ----------------------------------------------------------

    def listen(self):
        for line in sys.stdin.buffer:
            said = json.loads(line)
            match said.get("type"):
                case "control_response":
                    self._hear_answer(said["response"])
                case "control_request":
                    self._hear_request(said["request"])
                case "user":
                    self._hear_word(said)
        for waiting in list(self._answers.values()):  # as claude takes the end of its input
            waiting.put({"behavior": "deny", "message": "The stream was closed."})

    def _hear_answer(self, response):
        waiting = self._answers.pop(response["request_id"], None)
        if waiting is not None:  # an answer that comes too late is ignored
            waiting.put(response.get("response") or {"behavior": "deny"})

    def _hear_request(self, request):
        match request["subtype"]:
            case "interrupt" if not self._wanted.get("ignore_signals"):
                if request.get("cancel_queued"):
                    self._words.clear()
                self.interrupt()
            case "end_session" if self.is_stopped:
                self._end(0)

    def _hear_word(self, said):
        self._lifecycle(said, "queued")
        self._words.append(said)
        if self._wanted.get("hears") != "after":
            self.hear_words()

    def hear_words(self):
        """What it was told reaches the model now."""
        with self._lock:
            words, self._words = self._words, []
        for said in words:
            self._lifecycle(said, "started")
            self._memory.told.append(said["message"]["content"])
            self._lifecycle(said, "completed")

    @property
    def has_words(self):
        return bool(self._words)

    def _lifecycle(self, said, state):
        event = {"type": "command_lifecycle", "command_uuid": said.get("uuid"), "state": state}
        self._write(event)

    def interrupt(self):
        """The turn ends, and what it was told before begins another."""
        self.is_stopped = True
        for identifier in list(self._answers):
            del self._answers[identifier]
            self._write({"type": "control_cancel_request", "request_id": identifier})
        self._stop()

    # --- what it asks -------------------------------------------------------------

    def ask(self):
        """Make the calls that are not made yet, one after another or all at once."""
        calls = list(enumerate(self._wanted.get("ask", ())))[self._memory.done :]
        if self._wanted.get("at_once"):
            waiting = [(call, self._request(*call)) for call in calls]
        else:
            waiting = ((call, self._request(*call)) for call in calls)
        for (number, call), answers in waiting:
            self._make(number, call, answers.get())

    def _request(self, number, call):
        while "after" in call and not os.path.exists(call["after"]):
            time.sleep(0.01)
        identifier, answers = str(uuid.uuid4()), queue.SimpleQueue()
        if not self._may_ask:
            self._log("refused", number, call["input"])
            answers.put({"behavior": "deny"})
            return answers
        self._answers[identifier] = answers
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": call["tool"]}
        message = {"role": "assistant", "content": [use | {"input": call["input"]}]}
        self._write({"type": "assistant", "message": message})
        request = {
            "subtype": "can_use_tool",
            "tool_name": call["tool"],
            "input": call["input"],
            "tool_use_id": use["id"],
        }
        self._log("asked", number, call["input"])
        self._write({"type": "control_request", "request_id": identifier, "request": request})
        return answers

    def _make(self, number, call, answer):
        is_allowed = answer["behavior"] == "allow"
        if is_allowed:
            self._log("ran", number, answer.get("updatedInput", call["input"]))
            time.sleep(call.get("seconds", 0))
        else:
            self._log("denied", number, answer.get("message"))
        self._memory.done = number + 1
        self._memory.keep()
        block = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": "done"}
        message = {"role": "user", "content": [block | {"is_error": not is_allowed}]}
        self._write({"type": "user", "message": message})
        if answer.get("interrupt"):
            self.interrupt()

    def _log(self, event, number, input):
        if path := self._wanted.get("calls"):
            line = {
                "event": event,
                "job": self._wanted.get("number"),
                "call": number,
                "input": input,
                "marker": self._marker,
            }
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(handle, json.dumps(line).encode() + b"\n")
            os.fsync(handle)
            os.close(handle)
