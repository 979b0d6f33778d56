"""Plays a recording of tests/recordings/interactive: `python timeline.py CASE [arguments]`.

CASE is `claude--NAME.1`: the first turn of that recording, from its prompt to its end, as a tool
that was started for it alone. What the tool printed is printed; where the recorded client wrote a
line, one of ours of the same kind is waited for, and its ids take the place of the recorded ones.
Answers have to be those that were recorded. Anything else ends the program with code 70.

Where it waits, the file `.waiting` in the current directory says for what: {"step", "pid"}.
"""

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings" / "interactive"
MISMATCH = 70
LIFE = 600
"""Seconds after which it ends, should nobody be left who would end it."""

Line = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """`kind` is "out" (the tool prints `text`), "in" (it hears `line`) or "signal" (`text`)."""

    kind: str
    text: str = ""

    @property
    def line(self) -> Line:
        value = json.loads(self.text)
        return value if isinstance(value, dict) else {}


def cases() -> Iterator[tuple[str, str]]:
    """Tool and name of every recording that has a timeline."""
    for path in sorted(RECORDINGS.glob("*/*.meta.json")):
        yield path.parent.name, path.name.removesuffix(".meta.json")


@cache
def turns(tool: str, name: str) -> list[list[Step]]:
    """The steps of each turn of a recording, less what PokéCode never writes and its replies."""
    wanted = _of_ours(recorded(tool, name))
    return _claude_turns(wanted) if tool == "claude" else _codex_turns(wanted)


def recorded(tool: str, name: str) -> list[Step]:
    path = RECORDINGS / tool / name
    lines = {
        "in": path.with_name(f"{name}.stdin.jsonl").read_text().splitlines(),
        "out": path.with_name(f"{name}.stdout.jsonl").read_text().splitlines(),
    }
    steps = []
    for _, kind, *which in exit_facts(tool, name)["timeline"]:
        if kind in lines:
            steps.append(Step(kind, lines[kind][which[0]]))
        elif kind.startswith("signal "):
            steps.append(Step("signal", kind.removeprefix("signal ")))
    return steps


def exit_facts(tool: str, name: str) -> Line:
    facts: Line = json.loads((RECORDINGS / tool / f"{name}.meta.json").read_text())
    return facts


# --- what a line is -------------------------------------------------------------

METHODS = {
    "initialize": "initialize",
    "initialized": "initialized",
    "thread/start": "thread",
    "thread/resume": "thread",
    "turn/start": "turn",
    "turn/steer": "steer",
    "turn/interrupt": "interrupt",
}


def kind_of(line: Line) -> str:
    """What the client wrote: "user", "answer", "interrupt", "cancel", "end", or for codex a call
    of METHODS; "" for what PokéCode never writes."""
    if line.get("type") == "control_request":
        request = line["request"]
        cancels = request.get("cancel_queued")
        asked = {"interrupt": "cancel" if cancels else "interrupt", "end_session": "end"}
        return asked.get(request["subtype"], "")
    if "method" in line:
        return METHODS.get(line["method"], "")
    known = {"user": "user", "control_response": "answer"}
    return known.get(line.get("type", ""), "answer" if "id" in line else "")


def answer_of(line: Line, asked: Line) -> Any:
    """What an answer says, in one form for what means the same: `asked` is claude's input, which
    an answer without one leaves as it is."""
    if line.get("type") != "control_response":
        return [line["id"], line.get("result"), line.get("error")]
    response = line["response"]
    said = dict(response.get("response", {}))
    updates = said.pop("updatedPermissions", [])
    if said.get("behavior") == "allow":
        said.setdefault("updatedInput", asked)
    # Directories and a mode are suggested beside rules too, and never sent with them.
    rules = [update for update in updates if update["type"] == "addRules"]
    return [response["request_id"], response["subtype"], said, rules or updates]


def is_end(line: Line) -> bool:
    return line.get("type") == "result" or line.get("method") == "turn/completed"


def _of_ours(steps: list[Step]) -> list[Step]:
    taken_back = {
        step.line["request"]["message_uuid"]
        for step in steps
        if step.kind == "in" and "cancel_async_message" in step.text
    }
    refused = {step.line.get("id") for step in steps if step.kind == "out" and _refuses(step.line)}
    kept, dropped = [], set()
    for step in steps:
        line = step.line if step.kind != "signal" else {}
        is_ours = kind_of(line) and line.get("uuid") not in taken_back
        if step.kind == "in" and (not is_ours or ("method" in line and line.get("id") in refused)):
            dropped.add(line.get("request_id", line.get("id")))
        elif step.kind == "out" and (
            _replied(line) in dropped or line.get("command_uuid") in taken_back
        ):
            continue
        else:
            kept.append(step)
    return kept


def _refuses(line: Line) -> bool:
    return "error" in line and "id" in line


def _replied(line: Line) -> Any:
    """The id that a reply is to; no reply has the id False."""
    if line.get("type") == "control_response":
        return line["response"]["request_id"]
    return line["id"] if "id" in line and "method" not in line else False


# --- its turns ------------------------------------------------------------------


def _claude_turns(steps: list[Step]) -> list[list[Step]]:
    """A message is a prompt if no turn is open; others are heard in the middle of it."""
    found: list[list[Step]] = []
    is_open = False
    for step in steps:
        kind = kind_of(step.line) if step.kind == "in" else step.kind
        if kind == "user" and not is_open:
            found.append([])
        if found and (step.kind != "in" or is_open or kind == "user"):
            found[-1].append(step)
        is_open = (is_open or kind == "user") and not (kind == "out" and is_end(step.line))
    return found


def _codex_turns(steps: list[Step]) -> list[list[Step]]:
    """Each with the handshake of a new process, and the thread that was opened last."""
    found: list[list[Step]] = []
    handshake: list[Step] = []
    thread: list[Step] = []
    is_opening = is_open = False
    for step in steps:
        kind = kind_of(step.line) if step.kind == "in" else step.kind
        if kind == "thread":
            thread, is_opening = [step], True
        elif kind == "turn" and not is_open:
            found.append([*handshake, *thread, step])
            is_opening, is_open = False, True
        elif is_opening:
            thread.append(step)
        else:
            (found[-1] if found else handshake).append(step)
        if kind == "out" and is_end(step.line):
            is_open = False
    return found


# --- playing it -----------------------------------------------------------------


class Player:
    def __init__(self, tool: str, name: str, turn: int) -> None:
        self.tool = tool
        self.steps = turns(tool, name)[turn - 1]
        self.exit_code = exit_facts(tool, name)["exit_code"]
        self.names: dict[str, str] = {}

    def play(self) -> int:
        for number, step in enumerate(self.steps):
            match step.kind:
                case "out":
                    print(self._renamed(step.text), flush=True)
                case "in":
                    _wait_at(number)
                    self._hear(step.line)
                case "signal":
                    _wait_for(step.text, number)
        if any(step.kind == "signal" for step in self.steps):
            return int(self.exit_code)
        return self._end()

    def _renamed(self, text: str) -> str:
        if not self.names:
            return text
        theirs = "|".join(map(re.escape, self.names))
        return re.sub(theirs, lambda found: self.names[found[0]], text)

    def _hear(self, theirs: Line) -> None:
        ours = _read()
        while ours.get("method") == "config/read":  # no recorded client sent it
            ours = _read()
        if kind_of(ours) != kind_of(theirs):
            fail(f"heard {ours}, and recorded was {theirs}")
        if kind_of(theirs) == "answer":
            self._compare(theirs, ours)
        self._learn(theirs, ours)

    def _compare(self, theirs: Line, ours: Line) -> None:
        asked = self._asked(theirs)
        answers = answer_of(theirs, asked), answer_of(ours, asked)
        if answers[0] != answers[1]:
            fail(f"answered {answers[1]}, and recorded was {answers[0]}")

    def _asked(self, answer: Line) -> Line:
        """The input that claude asked about."""
        id = answer.get("response", {}).get("request_id")
        lines = [step.line for step in self.steps if step.kind == "out"]
        found = [line["request"]["input"] for line in lines if line.get("request_id") == id and id]
        return found[0] if found else {}

    def _learn(self, theirs: Line, ours: Line) -> None:
        if "method" in theirs and "id" in theirs:
            self.names[f'{{"id":{theirs["id"]},"'] = f'{{"id":{ours["id"]},"'
        for key in ("request_id", "uuid"):
            if theirs.get(key):
                self.names[json.dumps(theirs[key])] = json.dumps(ours[key])
        if kind_of(theirs) == "steer":
            self._learn_steer(theirs["params"], ours["params"])

    def _learn_steer(self, theirs: Line, ours: Line) -> None:
        """The server repeats the client's id; a recorded client that gave none is told null."""
        told, said = (json.dumps(params.get("clientUserMessageId")) for params in (theirs, ours))
        text = json.dumps(theirs["input"][0]["text"])
        shape = '"clientId":{},"content":[{{"type":"text","text":{}'
        self.names[shape.format(told, text)] = shape.format(said, text)

    def _end(self) -> int:
        if self.tool == "codex":
            if line := sys.stdin.readline():
                fail(f"heard {line} after the end")
            return 0
        request = _read()
        if kind_of(request) != "end":
            fail(f"heard {request} after the end")
        told = {"subtype": "success", "request_id": request["request_id"]}
        print(json.dumps({"type": "control_response", "response": told}), flush=True)
        return 0


def _wait_at(step: int) -> None:
    part = Path(".waiting.part")
    part.write_text(json.dumps({"step": step, "pid": os.getpid()}))
    part.rename(".waiting")


def _wait_for(name: str, step: int) -> None:
    """Blocked meanwhile, so that only this takes it."""
    number = signal.Signals[name]
    if number == signal.SIGKILL:
        _wait_at(step)
        threading.Event().wait()
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    _wait_at(step)
    signal.sigwait({number})


def _read() -> Line:
    text = sys.stdin.readline()
    if not text:
        fail("standard input ended")
    line: Line = json.loads(text)
    return line


def fail(why: str) -> None:
    print(f"timeline: {why}", file=sys.stderr)
    sys.exit(MISMATCH)


def main() -> None:
    if {"--version", "--help"} & set(sys.argv):  # as a tool that tells no version
        return
    signal.alarm(LIFE)
    tool, _, rest = sys.argv[1].partition("--")
    name, _, turn = rest.rpartition(".")
    sys.exit(Player(tool, name, int(turn)).play())


if __name__ == "__main__":
    main()
