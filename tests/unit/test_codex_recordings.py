"""Recorded talks with `codex app-server` 0.169.0, gone through again by the driver.

A driver makes one turn, so each recorded turn has a driver of its own. Ids of our own requests
differ from the recorded client's, and are translated.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jobs_app.agents.base import Ask, CloseInput, Effect, Heard, Send, Turn
from jobs_app.agents.codex.talk import CodexDriver
from sessions_app.providers import PROVIDERS, Asked
from sessions_app.providers.shapes import Unknown
from tests import recorded

RECORDINGS = recorded.RECORDINGS / "interactive" / "codex"
CASES = sorted(path.name.removesuffix(".meta.json") for path in RECORDINGS.glob("*.meta.json"))
CODEX = PROVIDERS["codex-cli"]

ASKED = ("requestApproval", "requestUserInput")
DECISIONS: dict[str, dict[str, Any]] = {
    "accept": {"decision": "allow"},
    "acceptForSession": {"decision": "allow", "rules": []},
    "decline": {"decision": "deny"},
    "cancel": {"decision": "stop"},
}


def objects(path: Path) -> list[Any]:
    """The lines that hold JSON; one recorded client sent another."""
    lines = [line for line in path.read_text().split("\n") if line]
    return [json.loads(line) if line.startswith("{") else None for line in lines]


def timeline(case: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was sent ("in") and said ("out"), in the order in which it was."""
    lines = {way: objects(RECORDINGS / f"{case}.std{way}.jsonl") for way in ("in", "out")}
    for _, way, *number in json.loads((RECORDINGS / f"{case}.meta.json").read_text())["timeline"]:
        if number and (line := lines[way][number[0]]) is not None:
            yield way, line


@dataclass(slots=True)
class Replay:
    """One recorded talk, turn by turn."""

    driver: CodexDriver | None = None
    pending: dict[str, int] = field(default_factory=dict)
    methods: dict[int, str] = field(default_factory=dict)
    asked: dict[int, Asked] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)

    def sent(self, line: dict[str, Any]) -> None:
        """What the recorded client sent, done with our driver."""
        method = line.get("method")
        if method == "turn/start" and not self.is_running:
            self.begin(line["params"])
        elif method == "turn/steer" and self.driver:
            self.perform(self.driver.tell(line["params"].get("clientUserMessageId", "x"), "words"))
        elif method == "turn/interrupt" and self.driver:
            self.perform(self.driver.interrupt(is_last=False))
        elif method is None and self.driver and line["id"] in self.asked:
            self.answer(line)
        if method and "id" in line:
            self.methods[line["id"]] = method

    @property
    def is_running(self) -> bool:
        return self.driver is not None and not self.driver.is_over

    def begin(self, params: dict[str, Any]) -> None:
        thread = params["threadId"]
        self.driver = CodexDriver(Turn("a", "Do it", "/p", resume=thread, asks=True), "Do it", "s")
        self.pending = {}
        self.perform(self.driver.begin())
        for method, result in (("initialize", {}), ("thread/resume", {"thread": {"id": thread}})):
            self.say({"id": self.pending.pop(method), "result": result})

    def answer(self, line: dict[str, Any]) -> None:
        """Ours for the recorded decision is the recorded answer."""
        asked = self.asked.pop(line["id"])
        result = line.get("result", {})
        if "answers" in result:
            replies = {key: told["answers"] for key, told in result["answers"].items()}
            given: dict[str, Any] = {"decision": "reply", "answers": replies}
        else:
            given = DECISIONS.get(str(result.get("decision")), {"decision": "allow"})
        assert self.driver
        [effect] = self.driver.answer(asked, given)
        assert isinstance(effect, Send)
        if "answers" in result or result.get("decision") in list(DECISIONS):
            assert json.loads(effect.data) == line
            self.decided.append(given["decision"])

    def said(self, line: dict[str, Any]) -> None:
        """What the recorded server said, under our ids."""
        if self.driver is None:
            return
        if "method" not in line:
            ours = self.pending.pop(self.methods.get(line["id"], ""), None)
            if ours is not None:
                self.say({**line, "id": ours})
        else:
            self.say(line)

    def say(self, line: dict[str, Any]) -> None:
        assert self.driver
        self.driver.keeps(line)
        self.perform(self.driver.observe(line, json.dumps(line)))

    def perform(self, effects: Any) -> None:
        for effect in effects:
            self.effects.append(effect)
            if isinstance(effect, Send):
                told = json.loads(effect.data)
                if "method" in told and "id" in told:
                    self.pending[told["method"]] = told["id"]
            if isinstance(effect, Ask):
                self.asked[json.loads(effect.asked.id)] = effect.asked

    def count(self, kind: type) -> int:
        return sum(isinstance(effect, kind) for effect in self.effects)


def replay(case: str) -> Replay:
    talk = Replay()
    for way, line in timeline(case):
        talk.sent(line) if way == "in" else talk.said(line)
    return talk


@pytest.mark.parametrize("case", CASES)
def test_each_recorded_request_is_asked_and_answered_as_recorded(case):
    lines = list(timeline(case))
    requests = [line for way, line in lines if way == "out" and "id" in line and "method" in line]
    decisions = [line["result"] for way, line in lines if way == "in" and "result" in line]
    talk = replay(case)
    assert talk.count(Ask) == sum(line["method"].endswith(ASKED) for line in requests)
    recorded_ones = [each for each in decisions if str(each.get("decision")) in DECISIONS]
    answers = [each for each in decisions if "answers" in each]
    assert len(talk.decided) == len(recorded_ones) + len(answers)
    for effect in talk.effects:
        if isinstance(effect, Ask) and effect.asked.kind == "permission":
            assert effect.asked.input.get("command") or effect.asked.input.get("changes")


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_a_recorded_talk_is_unknown_to_the_display(case):
    for way, line in timeline(case):
        if way == "out":
            assert CODEX.classify(line)
            shapes = CODEX.display(line, recorded.PROJECT)
            assert not [shape for shape in shapes if isinstance(shape, Unknown)], line


ENDS = {"bad_requests": 1, "thread_queue": 1}
"""Turns that are over for our driver, where that is not each that ended: one that was refused, and
the first of those that began one after another by themselves."""


@pytest.mark.parametrize("case", CASES)
def test_the_input_is_closed_once_a_turn_has_ended_and_not_before(case):
    ended = [line for way, line in timeline(case) if line.get("method") == "turn/completed"]
    assert replay(case).count(CloseInput) == ENDS.get(case, len(ended))


@pytest.mark.parametrize("case", CASES)
def test_each_call_of_the_model_is_counted_once(case):
    meter, last = CODEX.meter(), {}
    for way, line in timeline(case):
        if way == "out":
            meter.count(line)
            if line.get("method") == "thread/tokenUsage/updated":
                last[line["params"]["threadId"]] = line["params"]["tokenUsage"]["total"]
    resumed = [line for way, line in timeline(case) if line.get("method") == "thread/resume"]
    if not resumed:
        assert meter.usage.total == sum(total["totalTokens"] for total in last.values())


def test_a_word_in_the_middle_of_a_turn_has_its_receipt():
    heard = [effect.id for effect in replay("steer_tools").effects if isinstance(effect, Heard)]
    assert heard == ["my-id-1"]
