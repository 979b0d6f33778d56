"""How a turn of Codex's app-server is begun, and what it is told in the middle of it."""

import pytest

from jobs_app.agents.base import CloseInput, Decision, Heard, Image, Unheard
from jobs_app.outcomes import Outcome
from sessions_app.providers import PROVIDERS, Asked, Question
from tests.codex_talk import COMMAND, THREAD, TURN, Talk

CODEX = PROVIDERS["codex-cli"]
GRANULAR = {"granular": {"sandbox_approval": True, "rules": True, "mcp_elicitations": True}}


@pytest.mark.parametrize(("asks", "policy"), [(True, GRANULAR), (False, "never")])
@pytest.mark.parametrize("resume", [None, THREAD])
def test_policy_and_sandbox_are_sent_with_each_turn(asks, policy, resume):
    talk = Talk(asks=asks, resume=resume, model="gpt-6", effort="high").begun()
    opening, turn = talk.sent[-2:]
    assert opening["method"] == ("thread/resume" if resume else "thread/start")
    assert opening["params"]["approvalPolicy"] == policy
    assert opening["params"]["sandbox"] == "workspace-write"
    assert opening["params"]["cwd"] == "/repo"
    assert opening["params"]["model"] == "gpt-6"
    assert opening["params"].get("threadId") == resume
    assert turn["method"] == "turn/start"
    assert turn["params"]["effort"] == "high"
    assert turn["params"]["threadId"] == THREAD


@pytest.mark.parametrize("told", [{"result": {"config": {"model": "gpt-6"}}}, {"error": {}}, None])
def test_a_prompt_that_names_no_model_gets_the_hosts_and_not_that_of_the_turn_before(told):
    talk = Talk(resume=THREAD)
    talk.answered("initialize", result={})
    if told:
        talk.answered("config/read", **told)
    talk.answered("thread/resume", result={"thread": {"id": THREAD}})
    expected = "gpt-6" if told and "result" in told else None
    assert talk.sent[-1]["params"].get("model") == expected


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
