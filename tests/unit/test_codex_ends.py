"""How a turn of Codex's app-server is judged, and what is kept of it."""

import time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from jobs_app.agents.base import CloseInput, Writing
from jobs_app.outcomes import Outcome
from sessions_app.providers import PROVIDERS
from tests.codex_talk import THREAD, Talk


def test_a_helpers_turn_is_not_the_end():
    talk = Talk().begun()
    other = {"threadId": "01a2other", "turn": {"id": "x", "status": "completed"}}
    assert talk.say(method="turn/completed", params=other) == []
    assert not talk.driver.is_over
    assert talk.ended() == [CloseInput()]
    assert talk.driver.verdict(0, "").outcome is Outcome.SUCCEEDED


CODEX = PROVIDERS["codex-cli"]


@pytest.mark.parametrize(
    ("info", "outcome", "permanent"),
    [
        ("contextWindowExceeded", Outcome.FAILED, True),
        ("usageLimitExceeded", Outcome.RATE_LIMITED, False),
        ("unauthorized", Outcome.FAILED, True),
        ("serverOverloaded", Outcome.FAILED, False),
        ({"responseStreamConnectionFailed": {"httpStatusCode": 503}}, Outcome.FAILED, False),
        ({"responseTooManyFailedAttempts": {"httpStatusCode": 429}}, Outcome.RATE_LIMITED, False),
        ({"httpConnectionFailed": {"httpStatusCode": None}}, Outcome.FAILED, False),
        ("somethingNew", Outcome.FAILED, False),
        ({}, Outcome.FAILED, False),
        ([1], Outcome.FAILED, False),
    ],
)
def test_a_failure_is_judged_by_the_servers_own_name_for_it(info, outcome, permanent):
    talk = Talk().begun()
    error = {"message": "It went wrong.", "codexErrorInfo": info}
    talk.told("error", error=error, willRetry=False)
    assert talk.ended("failed", error=error) == [CloseInput()]
    verdict = talk.driver.verdict(0, "")
    assert (verdict.outcome, verdict.permanent) == (outcome, permanent)


def test_a_retry_is_not_the_end():
    talk = Talk().begun()
    talk.told("error", error={"message": "Reconnecting... 1/5"}, willRetry=True)
    assert not talk.driver.is_over
    talk.ended()
    assert talk.driver.verdict(0, "").outcome is Outcome.SUCCEEDED


def test_the_window_that_is_used_up_tells_when_a_limit_ends():
    talk, soon = Talk().begun(), int(time.time()) + 3600
    windows = {
        "primary": {"usedPercent": 100, "resetsAt": soon},
        "secondary": {"usedPercent": 40, "resetsAt": soon + 3600},
    }
    talk.told("account/rateLimits/updated", rateLimits=windows)
    error = {"message": "You've hit your usage limit.", "codexErrorInfo": "usageLimitExceeded"}
    talk.ended("failed", error=error)
    verdict = talk.driver.verdict(0, "")
    assert verdict.retry_at and int(verdict.retry_at.timestamp()) == soon


def test_a_turn_that_another_stopped_may_be_tried_again():
    talk = Talk().begun()
    talk.ended("interrupted")
    verdict = talk.driver.verdict(0, "")
    assert (verdict.outcome, verdict.permanent) == (Outcome.FAILED, False)


REASONS = (
    "patch rejected: writing outside of the project",
    "approval policy is Never; reject command",
    "patch rejected by user",
)
COLORED = (
    "\x1b[2m2026-11-25T14:45:17Z\x1b[0m \x1b[31mERROR\x1b[0m \x1b[2mcodex_core::tools::router"
    "\x1b[0m\x1b[2m:\x1b[0m \x1b[3merror\x1b[0m\x1b[2m=\x1b[0m"
)


def test_what_the_policy_refused_is_told_and_what_a_person_denied_is_not():
    talk = Talk().begun()
    talk.ended()
    stderr = "".join(f"{COLORED}{reason}\n" for reason in REASONS)
    assert talk.driver.verdict(0, stderr).error == (
        "2 tool calls were denied: writing outside of the project, "
        "approval policy is Never; reject command."
    )


def test_what_is_being_written_ends_with_the_message():
    talk = Talk().begun()
    assert talk.told("item/agentMessage/delta", itemId="m", delta="Hel") == [Writing("Hel")]
    item = {"type": "agentMessage", "id": "m", "text": "Hello"}
    assert talk.told("item/completed", item=item) == [Writing("")]
    talk.told("item/agentMessage/delta", itemId="n", delta="Wor")
    assert talk.ended("interrupted") == [Writing(""), CloseInput()]


KEYS = [
    "changes", "clientId", "codexErrorInfo", "command", "delta", "error", "id", "item", "itemId",
    "kind", "message", "parentThreadId", "primary", "questions", "rateLimits", "requestId",
    "resetsAt", "status", "thread", "threadId", "tokenUsage", "total", "turn", "type",
    "usedPercent",
]  # fmt: skip
METHODS = [
    "account/rateLimits/updated", "error", "item/agentMessage/delta", "item/completed",
    "item/commandExecution/requestApproval", "item/fileChange/requestApproval", "item/started",
    "item/tool/requestUserInput", "serverRequest/resolved", "thread/started",
    "thread/tokenUsage/updated", "turn/completed", "turn/plan/updated", "turn/started",
]  # fmt: skip

KEPT = [
    ("item/completed", {"item": {"type": "agentMessage", "id": "m", "text": "Hello"}}),
    ("item/started", {"item": {"type": "commandExecution", "id": "c", "command": "ls"}}),
    ("item/completed", {"item": {"type": "commandExecution", "id": "c", "command": "ls"}}),
    ("thread/tokenUsage/updated", {}),
    ("turn/started", {}),
    ("turn/completed", {}),
    ("turn/plan/updated", {}),
    ("error", {}),
    ("configWarning", {"summary": "s"}),
    ("mcpServer/startupStatus/updated", {"name": "m", "status": "failed"}),
    ("something/new", {}),
]
NOT_KEPT = [
    ("item/agentMessage/delta", {"delta": "a"}),
    ("item/commandExecution/outputDelta", {"delta": "a"}),
    ("item/started", {"item": {"type": "agentMessage", "id": "m", "text": ""}}),
    ("item/completed", {"item": {"type": "userMessage", "id": "u", "content": []}}),
    ("thread/status/changed", {}),
    ("account/rateLimits/updated", {"rateLimits": {"primary": None}}),
    ("turn/diff/updated", {"diff": "x"}),
    ("remoteControl/status/changed", {}),
    ("mcpServer/startupStatus/updated", {"name": "m", "status": "ready"}),
]


@pytest.mark.parametrize(
    ("kept", "method", "params"),
    [*((True, *each) for each in KEPT), *((False, *each) for each in NOT_KEPT)],
)
def test_a_line_is_kept_if_it_tells_something(kept, method, params):
    line = {"method": method, "params": {"threadId": THREAD, **params}}
    assert Talk().begun().driver.keeps(line) == kept


def test_of_the_answers_those_are_kept_that_open_the_conversation_or_refuse_it():
    talk = Talk(resume=THREAD)
    talk.answered("initialize", result={})
    config, thread = (request["id"] for request in talk.sent[-2:])
    refusal = {"error": {"code": -32600, "message": "no"}}
    assert talk.driver.keeps({"id": thread, "result": {"thread": {"id": THREAD}}})
    assert talk.driver.keeps({"id": thread, **refusal})
    assert not talk.driver.keeps({"id": config, "result": {"config": {}}})
    assert not talk.driver.keeps({"id": config, **refusal})


@pytest.mark.parametrize(
    "line",
    [{}, {"id": 1}, {"id": [], "method": "x"}, {"id": True, "method": "y"}, {"method": 3},
     {"id": 1, "result": 3}, {"method": "item/started", "params": {"item": 3}},
     {"method": "turn/completed", "params": 4}, {"id": 99, "result": {}},
     {"type": "error", "message": "x"}],
)  # fmt: skip
def test_lines_of_the_wrong_shape_are_harmless(line):
    talk = Talk().begun()
    talk.driver.keeps(line)
    talk.say(**line)
    talk.ended()
    assert talk.driver.verdict(0, "").outcome is Outcome.SUCCEEDED


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([THREAD, "call_1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
LINES = st.fixed_dictionaries(
    {},
    optional={
        "id": VALUES,
        "method": st.sampled_from(METHODS) | VALUES,
        "params": st.dictionaries(st.sampled_from(KEYS), VALUES) | VALUES,
        "result": VALUES,
        "error": VALUES,
        "type": VALUES,
    },
)


@effort(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, max_size=5), st.booleans())
def test_no_stream_breaks_the_talk(lines, is_begun):
    talk, meter = Talk(), CODEX.meter()
    if is_begun:
        talk.begun()
    for line in lines:
        talk.driver.keeps(line)
        talk.say(**line)
        meter.count(line)
        CODEX.conversation_id(line)
        CODEX.display(line, "/repo")
    assert talk.driver.verdict(0, "")
