"""What Codex asks by its app-server, and what it is answered."""

import json

import pytest

from jobs_app.agents.base import Ask, CloseInput, Send, Withdraw
from jobs_app.outcomes import TURN_STOPPED
from sessions_app.providers import PROVIDERS
from tests.codex_talk import COMMAND, TURN, Talk

CODEX = PROVIDERS["codex-cli"]
CHANGES = [{"path": "/opt/a.txt", "kind": {"type": "add"}, "diff": "a\n"}]


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


def test_a_stop_that_comes_as_its_request_is_withdrawn_still_stops_the_turn_once():
    talk = Talk().begun()
    asked = talk.asked_to_run()
    talk.told("serverRequest/resolved", requestId=0)
    [call] = talk.answer(asked, decision="stop")
    assert call["method"] == "turn/interrupt"
    assert talk.answer(asked, decision="stop") == []


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


def test_a_helper_of_the_agent_asks_too():
    talk, helper = Talk().begun(), {"threadId": "01a2helper"}
    patch = {"type": "fileChange", "id": "call_1", "changes": CHANGES, "status": "inProgress"}
    talk.say(method="item/started", params={**helper, "item": patch})
    [ask] = talk.asked("item/fileChange/requestApproval", **helper)
    assert isinstance(ask, Ask)
    assert ask.asked.input == {"changes": CHANGES}
    assert talk.answer(ask.asked, decision="allow") == [{"id": 0, "result": {"decision": "accept"}}]
