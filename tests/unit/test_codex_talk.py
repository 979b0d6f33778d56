"""Talking with Codex by its app-server: what is sent, and what follows from what it says."""

import json
import time
from typing import Any

import pytest

from jobs_app.agents.base import (
    Ask,
    CloseInput,
    Decision,
    Effect,
    Heard,
    Image,
    Send,
    Turn,
    Unheard,
    Withdraw,
    Writing,
)
from jobs_app.agents.codex.talk import CodexDriver
from jobs_app.outcomes import TURN_STOPPED, Outcome
from sessions_app.providers import PROVIDERS, Asked, Question

CODEX = PROVIDERS["codex-cli"]
THREAD, TURN = "01a21328-6825-79e0-8da7-cc53c2c81b36", "01a21328-6848-7292-89a6-2ab3b7a1978c"
COMMAND = "/bin/bash -lc 'touch a && echo b'"
CHANGES = [{"path": "/opt/a.txt", "kind": {"type": "add"}, "diff": "a\n"}]


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


GRANULAR = {"granular": {"sandbox_approval": True, "rules": True, "mcp_elicitations": True}}


# --- the start of a turn --------------------------------------------------------


@pytest.mark.parametrize(("asks", "policy"), [(True, GRANULAR), (False, "never")])
@pytest.mark.parametrize("resume", [None, THREAD])
def test_policy_and_sandbox_are_sent_with_each_turn(asks, policy, resume):
    talk = Talk(asks=asks, resume=resume, model="gpt-6", effort="high").begun()
    opening, turn = talk.sent[2], talk.sent[3]
    assert opening["method"] == ("thread/resume" if resume else "thread/start")
    assert opening["params"]["approvalPolicy"] == policy
    assert opening["params"]["sandbox"] == "workspace-write"
    assert opening["params"]["cwd"] == "/repo"
    assert opening["params"]["model"] == "gpt-6"
    assert opening["params"].get("threadId") == resume
    assert turn["method"] == "turn/start"
    assert turn["params"]["effort"] == "high"
    assert turn["params"]["threadId"] == THREAD


def test_a_server_without_the_granular_policy_is_asked_with_the_next_best():
    talk = Talk()
    talk.answered("initialize", result={})
    refusal = {"code": -32600, "message": "askForApproval.granular requires experimentalApi"}
    talk.answered("thread/start", error=refusal)
    assert talk.sent[-1]["params"]["approvalPolicy"] == "on-request"
    talk.answered("thread/start", result={"thread": {"id": THREAD}})
    assert talk.sent[-1]["method"] == "turn/start"


def test_the_prompt_comes_with_its_pictures():
    talk = Talk(images=[Image("/data/a.png", "image/png")]).begun()
    assert talk.sent[-1]["params"]["input"] == [
        {"type": "text", "text": "Context. Do it"},
        {"type": "localImage", "path": "/data/a.png"},
    ]


def test_a_conversation_goes_on_from_an_answer_with_the_call_as_the_model_makes_it():
    asked = Asked("0", "permission", "Shell", {"command": COMMAND, "cwd": "/repo"})
    decision = Decision(asked, {"decision": "allow"})
    talk = Talk(resume=THREAD, decisions=[decision]).begun()
    [said] = talk.sent[-1]["params"]["input"]
    assert '"command": "touch a && echo b"' in said["text"]
    assert "Do it" not in said["text"]


def test_a_conversation_goes_on_from_answers_under_the_words_of_the_questions():
    question = Question("q1", "Which database?")
    asked = Asked("0", "question", "Question", questions=[question])
    decision = Decision(asked, {"decision": "reply", "answers": {"q1": ["SQLite"]}})
    [said] = Talk(resume=THREAD, decisions=[decision]).begun().sent[-1]["params"]["input"]
    assert "Which database?: SQLite" in said["text"]


@pytest.mark.parametrize(
    ("message", "outcome", "permanent", "words"),
    [
        ("no rollout found for thread id X", Outcome.FAILED, True, "start a new session"),
        ("thread X already has an active writer", Outcome.FAILED, False, "close it there"),
        ("Input exceeds the maximum length", Outcome.FAILED, True, "too long"),
        ("something else", Outcome.FAILED, True, "refused to start: something else."),
    ],
)
def test_a_conversation_that_cannot_be_opened_ends_the_run_in_words(
    message, outcome, permanent, words
):
    talk = Talk(resume=THREAD)
    talk.answered("initialize", result={})
    effects = talk.answered("thread/resume", error={"code": -32600, "message": message})
    assert effects == [CloseInput()]
    verdict = talk.driver.verdict(0, "")
    assert (verdict.outcome, verdict.permanent) == (outcome, permanent)
    assert verdict.error and words in verdict.error
    assert (verdict.lost_conversation == THREAD) == ("rollout" in message)


def test_the_conversation_is_known_from_the_answer_and_not_from_a_helpers_thread():
    result = {"thread": {"id": THREAD}}
    assert CODEX.conversation_id({"id": 2, "result": result}) == THREAD
    helper = {"id": "01a2aaaa", "parentThreadId": THREAD}
    assert CODEX.conversation_id({"method": "thread/started", "params": {"thread": helper}}) is None


# --- what it asks ---------------------------------------------------------------


def test_a_command_outside_the_sandbox_is_asked_as_it_would_run():
    asked = Talk().begun().asked_to_run()
    assert asked.input == {"command": COMMAND, "cwd": "/repo"}
    assert (asked.leaves_sandbox, asked.reason, asked.id) == (True, "Needs it", "0")


def test_a_patch_is_asked_with_all_its_changes_and_is_the_same_after_a_resume():
    calls = []
    for item in ("call_1", "call_2"):
        talk = Talk().begun()
        patch = {"type": "fileChange", "id": item, "changes": CHANGES, "status": "inProgress"}
        talk.told("item/started", item=patch)
        [ask] = talk.asked("item/fileChange/requestApproval", itemId=item)
        assert isinstance(ask, Ask) and ask.call is not None
        stored = CODEX.read_request(json.loads(ask.line), json.loads(ask.call))
        assert stored == ask.asked
        assert ask.asked.input == {"changes": CHANGES}
        calls.append(ask.asked.what_runs)
    assert calls[0] == calls[1]


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        ({"decision": "allow"}, "accept"),
        ({"decision": "allow", "rules": []}, "acceptForSession"),
        ({"decision": "deny"}, "decline"),
        ({"decision": "stop"}, "cancel"),
    ],
)
def test_an_answer_is_sent_once(answer, decision):
    talk = Talk().begun()
    asked = talk.asked_to_run()
    assert talk.answer(asked, **answer) == [{"id": 0, "result": {"decision": decision}}]
    assert talk.answer(asked, **answer) == []
    assert talk.told("serverRequest/resolved", requestId=0) == []


def test_words_of_a_denial_are_told_before_it():
    talk = Talk().begun()
    steer, denial = talk.answer(talk.asked_to_run(), decision="deny", why="Use make.")
    assert steer["method"] == "turn/steer"
    assert steer["params"]["expectedTurnId"] == TURN
    assert steer["params"]["input"] == [{"type": "text", "text": "Use make."}]
    assert denial == {"id": 0, "result": {"decision": "decline"}}


def test_who_denies_and_stops_has_stopped_the_turn():
    talk = Talk().begun()
    talk.answer(talk.asked_to_run(), decision="stop")
    assert talk.ended("interrupted") == [CloseInput()]
    assert talk.driver.verdict(0, "") == TURN_STOPPED


def test_questions_are_answered_by_their_ids():
    talk = Talk().begun()
    question = {"id": "q", "header": "Pick", "question": "Which?", "options": [{"label": "A"}]}
    [ask] = talk.asked("item/tool/requestUserInput", questions=[question])
    assert isinstance(ask, Ask)
    assert [each.text for each in ask.asked.questions] == ["Which?"]
    assert talk.answer(ask.asked, decision="reply", answers={"q": ["A"]}) == [
        {"id": 0, "result": {"answers": {"q": {"answers": ["A"]}}}}
    ]


def test_a_question_that_is_denied_is_no_longer_waited_for():
    talk = Talk().begun()
    [ask] = talk.asked("item/tool/requestUserInput", questions=[])
    assert isinstance(ask, Ask)
    [refusal] = talk.answer(ask.asked, decision="deny", why="")
    assert "error" in refusal


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("execCommandApproval", {"command": ["ls"]}),
        ("applyPatchApproval", {}),
        ("item/permissions/requestApproval", {}),
        ("mcpServer/elicitation/request", {}),
        ("currentTime/read", {}),
        ("no/such/request", {}),
        ("item/fileChange/requestApproval", {}),  # what would change is not known
        ("item/commandExecution/requestApproval", {"command": None}),
        ("item/commandExecution/requestApproval", {"command": "ls", "kind": "writeStdin"}),
        ("item/commandExecution/requestApproval", {"command": ["ls"]}),
    ],
)
def test_what_cannot_be_shown_whole_is_refused_at_once(method, params):
    talk = Talk().begun()
    [effect] = talk.asked(method, **params)
    assert isinstance(effect, Send)
    refusal = json.loads(effect.data)
    assert refusal["id"] == 0
    assert "refused" in refusal["error"]["message"]


def test_nobody_is_asked_where_nobody_is_to_be():
    talk = Talk(asks=False).begun()
    [effect] = talk.asked(command=COMMAND, cwd="/repo")
    assert isinstance(effect, Send) and "error" in json.loads(effect.data)


def test_a_wider_sandbox_is_part_of_what_is_asked():
    wider = {"network": {"enabled": True}}
    [ask] = Talk().begun().asked(command=COMMAND, cwd="/repo", additionalPermissions=wider)
    assert isinstance(ask, Ask)
    assert ask.asked.input["additionalPermissions"] == wider
    assert not ask.asked.leaves_sandbox


def test_what_the_server_no_longer_waits_for_is_withdrawn():
    talk = Talk().begun()
    asked = talk.asked_to_run()
    assert talk.told("serverRequest/resolved", requestId=0) == [Withdraw("0")]
    assert talk.answer(asked, decision="allow") == []


# --- what it is told ------------------------------------------------------------


def test_a_word_is_heard_once_the_server_repeats_it():
    talk = Talk().begun()
    talk.note(talk.driver.tell("word-1", "Hurry up"))
    assert talk.sent[-1]["params"]["clientUserMessageId"] == "word-1"
    assert talk.answered("turn/steer", result={"turnId": TURN}) == []
    item = {"type": "userMessage", "id": "i", "clientId": "word-1", "content": []}
    assert talk.told("item/started", item=item) == [Heard("word-1")]
    assert talk.told("item/completed", item=item) == []


def test_a_word_that_comes_too_late_is_not_heard():
    talk = Talk().begun()
    talk.note(talk.driver.tell("word-1", "Hurry up"))
    refusal = {"code": -32600, "message": "no active turn to steer"}
    assert talk.answered("turn/steer", error=refusal) == [Unheard("word-1")]
    talk.ended()
    assert talk.driver.tell("word-2", "More") == [Unheard("word-2")]


def test_a_word_that_comes_before_the_turn_waits_for_it():
    talk = Talk()
    assert talk.note(talk.driver.tell("word-1", "Hurry up")) == []
    talk.begun()
    assert talk.sent[-1]["method"] == "turn/steer"


def test_an_interrupt_stops_the_turn_and_then_the_server():
    talk = Talk().begun()
    talk.note(talk.driver.interrupt(is_last=True))
    assert talk.sent[-1]["method"] == "turn/interrupt"
    assert talk.sent[-1]["params"] == {"threadId": THREAD, "turnId": TURN}
    assert talk.answered("turn/interrupt", result={}) == []
    assert talk.ended("interrupted") == [CloseInput()]


def test_an_interrupt_before_the_turn_ends_the_server_and_begins_nothing():
    talk = Talk()
    assert talk.driver.interrupt(is_last=False) == [CloseInput()]
    assert talk.answered("initialize", result={}) == []


# --- its end --------------------------------------------------------------------


def test_a_helpers_turn_is_not_the_end():
    talk = Talk().begun()
    other = {"threadId": "01a2other", "turn": {"id": "x", "status": "completed"}}
    assert talk.say(method="turn/completed", params=other) == []
    assert not talk.driver.is_over
    assert talk.ended() == [CloseInput()]
    assert talk.driver.verdict(0, "").outcome is Outcome.SUCCEEDED


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


# --- what is kept, and what is shown while it is written ------------------------


def test_what_is_being_written_ends_with_the_message():
    talk = Talk().begun()
    assert talk.told("item/agentMessage/delta", itemId="m", delta="Hel") == [Writing("Hel")]
    item = {"type": "agentMessage", "id": "m", "text": "Hello"}
    assert talk.told("item/completed", item=item) == [Writing("")]
    talk.told("item/agentMessage/delta", itemId="n", delta="Wor")
    assert talk.ended("interrupted") == [Writing(""), CloseInput()]


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


def test_of_the_answers_those_are_kept_that_open_the_conversation_or_refuse():
    driver = Talk().driver
    assert driver.keeps({"id": 2, "result": {"thread": {"id": THREAD}}})
    assert driver.keeps({"id": 2, "error": {"message": "no"}})
    assert not driver.keeps({"id": 1, "result": {"userAgent": "x"}})


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
