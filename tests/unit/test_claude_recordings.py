"""The recorded talks with Claude Code, through its driver and the display: what it asked, what it
was answered, how each ended."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobs_app.agents.base import Ask, Send, Turn, Withdraw
from jobs_app.agents.claude.talk import ClaudeDriver
from jobs_app.outcomes import Outcome
from sessions_app.providers import PROVIDERS, Asked, display_message, events
from sessions_app.providers.claude_meter import models_usage
from sessions_app.providers.shapes import Unknown
from tests import recorded

TALKS = recorded.RECORDINGS / "interactive" / "claude"
CASES = sorted(path.name.removesuffix(".stdout.jsonl") for path in TALKS.glob("*.stdout.jsonl"))
ANSWERED = [case for case in CASES if (TALKS / f"{case}.stdin.jsonl").exists()]

# Every other one succeeded.
FAILED = {
    "controller_killed_waiting": "without a result",
    "controller_killed_working": "without a result",
    "hook_defer": "wants to decide later",
    "hook_defer_two_calls": "wants to decide later",
    "interrupt_cancel_queued": "interrupted",
    "kill9_waiting": "SIGKILL",
    "park_first": "interrupted",
    "sigint_waiting": "without a result",
    "sigterm_waiting": "SIGTERM",
    "v330_sigint_waiting": "without a result",
}


def lines(case: str, stream: str) -> Iterator[events.Line]:
    for raw in (TALKS / f"{case}.{stream}.jsonl").read_bytes().split(b"\n"):
        if raw:
            yield events.read_line(raw)


def driver() -> ClaudeDriver:
    return ClaudeDriver(Turn("attempt", "Do it", recorded.PROJECT, asks=True))


def heard(case: str) -> list[Any]:
    """Everything that the driver wanted done."""
    talking = driver()
    said = [talking.observe(line.data, line.raw) for line in lines(case, "stdout")]
    return [effect for effects in said for effect in effects]


def requests(case: str) -> list[dict[str, Any]]:
    told = [line.data for line in lines(case, "stdout")]
    return [data for data in told if data.get("type") == "control_request"]


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_unknown_and_what_is_stored_shows_something(case):
    talking = driver()
    for line in lines(case, "stdout"):
        shapes = display_message("claude-code", "assistant", line.raw, recorded.PROJECT)
        assert not [shape for shape in shapes if isinstance(shape, Unknown)]
        assert shapes or not talking.keeps(line.data), line.raw


@pytest.mark.parametrize("case", CASES)
def test_each_request_is_asked_as_it_came(case):
    asked = [effect.asked for effect in heard(case) if isinstance(effect, Ask)]
    came = requests(case)
    assert [(each.id, each.tool, each.input, each.call_id) for each in asked] == [
        (data["request_id"], request["tool_name"], request["input"], request["tool_use_id"])
        for data in came
        for request in [data["request"]]
    ]


def test_a_request_that_was_withdrawn_is_withdrawn():
    [asked] = [e.asked.id for e in heard("interrupt_waiting") if isinstance(e, Ask)]
    assert Withdraw(asked) in heard("interrupt_waiting")


@pytest.mark.parametrize("case", ANSWERED)
def test_the_same_answer_makes_the_line_that_was_recorded(case):
    asked = {effect.asked.id: effect.asked for effect in heard(case) if isinstance(effect, Ask)}
    for line in lines(case, "stdin"):
        if line.data["type"] != "control_response":
            continue
        response = line.data["response"]
        request = asked[response["request_id"]]
        [sent] = driver().answer(request, answer_of(request, response["response"]))
        assert isinstance(sent, Send)
        assert json.loads(sent.data)["response"] == {
            **response,
            "response": as_we_say_it(request, response["response"]),
        }


def answer_of(asked: Asked, recorded_answer: dict[str, Any]) -> dict[str, Any]:
    """The answer that a person must have given."""
    if recorded_answer["behavior"] == "deny":
        return {"decision": "deny", "why": recorded_answer["message"]}
    input = recorded_answer.get("updatedInput", asked.input)
    if asked.kind == "question" and "answers" in input:
        answers = {key: text.split(", ") for key, text in input["answers"].items()}
        return {"decision": "reply", "answers": answers}
    changes = recorded_answer.get("updatedPermissions", [])
    rules = [f"{each['toolName']}({each['ruleContent']})" for each in added_rules(changes)]
    modes = [change["mode"] for change in changes if change["type"] == "setMode"]
    return {
        "decision": "allow",
        **({"input": input} if input != asked.input else {}),
        **({"rules": rules} if rules else {}),
        **({"mode": modes[0]} if modes else {}),
    }


def added_rules(changes: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [rule for change in changes if change["type"] == "addRules" for rule in change["rules"]]


def as_we_say_it(asked: Asked, recorded_answer: dict[str, Any]) -> dict[str, Any]:
    """We always send what was shown, all rules at once and into no file, and no directories."""
    if recorded_answer["behavior"] == "deny":
        return recorded_answer
    said = {"updatedInput": asked.input, **recorded_answer}
    changes = said.pop("updatedPermissions", [])
    rules, modes = added_rules(changes), [each for each in changes if each["type"] == "setMode"]
    allowing = {"type": "addRules", "rules": rules, "behavior": "allow", "destination": "session"}
    ours = [*([allowing] if rules else []), *modes]
    return {**said, **({"updatedPermissions": ours} if ours else {})}


@pytest.mark.parametrize("case", CASES)
def test_each_talk_is_judged_by_how_it_ended(case):
    talking = driver()
    for line in lines(case, "stdout"):
        talking.observe(line.data, line.raw)
    verdict = talking.verdict(exit_code(case), "")
    is_failure = case in FAILED
    assert (verdict.outcome is Outcome.FAILED, is_failure) in ((True, True), (False, False))
    assert FAILED.get(case, "") in (verdict.error or "")


def exit_code(case: str) -> int:
    meta = TALKS / f"{case}.meta.json"
    return (json.loads(meta.read_text())["exit_code"] or 0) if meta.exists() else 0


@pytest.mark.parametrize("case", CASES)
def test_each_turn_of_a_process_is_counted_once(case):
    meter = PROVIDERS["claude-code"].meter()
    told = [line.data for line in lines(case, "stdout")]
    counted = sum(meter.count(data) or 0 for data in told)
    results = [data for data in told if data.get("type") == "result"]
    turns = [models_usage(data["model_usage_since_last_result"]).total for data in results]
    assert counted == meter.usage.total
    if results:
        assert counted == sum(turns)
        before = models_usage(results[0]["modelUsage"]).total - turns[0]
        assert counted == models_usage(results[-1]["modelUsage"]).total - before
