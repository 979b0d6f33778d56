"""Talking with Claude Code: what it is told, what it asks, and when it is done."""

import json
from typing import Any

import pytest

from jobs_app.agents.base import Ask, Decision, Heard, Image, Send, Turn, Unheard, Writing
from jobs_app.agents.claude.talk import ClaudeDriver
from jobs_app.outcomes import TURN_STOPPED, Outcome
from sessions_app.providers import Asked

RESULT = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1}
ABORTED = {
    "type": "result",
    "subtype": "error_during_execution",
    "is_error": True,
    "terminal_reason": "aborted_tools",
}
INIT = {"type": "system", "subtype": "init"}
ASKED = Asked("r1", "permission", "Bash", {"command": "ls"}, rules=["Bash(ls)"])


class Talk:
    """A driver, and what it has sent to the tool."""

    def __init__(self, **fields: Any) -> None:
        turn = Turn("attempt", "Do it", "/project", **{"asks": True, **fields})
        self.driver = ClaudeDriver(turn)
        self.sent: list[dict[str, Any]] = []
        self.effects: list[Any] = []
        self.take(self.driver.begin())

    def take(self, effects: Any) -> list[Any]:
        self.effects += effects
        sent = [json.loads(effect.data) for effect in effects if isinstance(effect, Send)]
        self.sent += sent
        return [effect for effect in effects if not isinstance(effect, Send)]

    def hear(self, data: dict[str, Any]) -> list[Any]:
        return self.take(self.driver.observe(data, json.dumps(data)))

    def state(self, state: str) -> list[Any]:
        return self.hear({"type": "system", "subtype": "session_state_changed", "state": state})

    def tell(self, id: str, text: str = "And this") -> str:
        """Returns the message's UUID."""
        self.take(self.driver.tell(id, text))
        return self.sent[-1]["uuid"]

    def receipt(self, message: str, state: str) -> list[Any]:
        return self.hear({"type": "command_lifecycle", "command_uuid": message, "state": state})

    def answer(self, **answer: Any) -> dict[str, Any]:
        self.take(self.driver.answer(ASKED, answer))
        return self.sent[-1]["response"]["response"]

    @property
    def asks_to_end(self) -> bool:
        return any(line.get("request") == {"subtype": "end_session"} for line in self.sent)


def test_its_session_is_ended_once_it_rests():
    talk = Talk()
    for data in (INIT, RESULT):
        talk.state("running")
        talk.hear(data)
    assert not talk.asks_to_end
    talk.state("idle")
    assert talk.asks_to_end


def test_one_that_tells_no_states_is_ended_after_its_result():
    talk = Talk()
    talk.hear(INIT)
    assert not talk.asks_to_end
    talk.hear(RESULT)
    assert talk.asks_to_end


def test_a_task_in_the_background_may_begin_another_turn():
    talk = Talk()
    tasks = {"type": "system", "subtype": "background_tasks_changed"}
    talk.state("running")
    for data in (INIT, {**tasks, "tasks": [{"task_id": "b"}]}, RESULT):
        talk.hear(data)
    talk.state("idle")
    talk.hear({**tasks, "tasks": []})
    assert not talk.asks_to_end
    talk.state("running")
    talk.hear(RESULT)
    talk.state("idle")
    assert talk.asks_to_end


def test_what_it_is_told_is_heard_once_it_takes_it_up():
    talk = Talk()
    message = talk.tell("word")
    assert talk.receipt(message, "queued") == []
    assert talk.receipt(message, "started") == [Heard("word")]
    assert talk.receipt(message, "completed") == []


def test_it_is_not_ended_before_it_has_done_what_it_was_told():
    talk = Talk()
    talk.state("running")
    message = talk.tell("word")
    talk.hear(RESULT)
    talk.state("idle")
    assert not talk.asks_to_end
    assert not talk.driver.is_over
    talk.receipt(message, "started")
    talk.state("running")
    talk.hear(RESULT)
    talk.receipt(message, "completed")
    assert not talk.asks_to_end
    talk.state("idle")
    assert talk.asks_to_end


def test_what_comes_after_the_end_is_unheard():
    talk = Talk()
    talk.hear(RESULT)
    count = len(talk.sent)
    assert talk.take(talk.driver.tell("word", "Too late")) == [Unheard("word")]
    assert len(talk.sent) == count


def test_what_is_dropped_by_an_interrupt_is_unheard():
    talk = Talk()
    message = talk.tell("word")
    talk.take(talk.driver.interrupt(is_last=True))
    assert talk.sent[-1]["request"] == {"subtype": "interrupt", "cancel_queued": True}
    assert talk.receipt(message, "cancelled") == [Unheard("word")]


def test_an_interrupt_that_is_not_the_last_keeps_what_it_was_told():
    talk = Talk()
    talk.take(talk.driver.interrupt(is_last=False))
    assert talk.sent[-1]["request"] == {"subtype": "interrupt", "cancel_queued": False}


def test_a_leading_slash_is_no_command():
    talk = Talk()
    talk.tell("word", "/cost")
    assert talk.sent[-1]["message"]["content"] == "\n/cost"


# --- what it asks ---------------------------------------------------------------


def request(id: Any = "r1", **fields: Any) -> dict[str, Any]:
    about = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}, **fields}
    return {"type": "control_request", "request_id": id, "request": about}


@pytest.mark.parametrize(
    "wrong",
    [
        request(subtype="hook_callback"),
        request(subtype="mcp_message"),
        request(subtype=["can_use_tool"]),
        request(tool_name=""),
        request(tool_name=None),
        request(input="ls"),
        request(input=None),
        request(id=7),
        {"type": "control_request", "request_id": "r1", "request": "can_use_tool"},
        {"type": "control_request", "request_id": "r1"},
    ],
)
def test_what_no_person_can_answer_is_refused_and_never_left_to_hang(wrong):
    talk = Talk()
    assert talk.hear(wrong) == []
    response = talk.sent[-1]["response"]
    assert (response["subtype"], response["request_id"]) == ("error", wrong["request_id"])


def test_where_nobody_is_asked_a_request_is_refused():
    talk = Talk(asks=False)
    assert talk.hear(request()) == []
    assert talk.sent[-1]["response"]["subtype"] == "error"


def test_a_request_of_a_sub_agent_names_it():
    [asked] = Talk().hear(request(agent_id="a7"))
    assert isinstance(asked, Ask)
    assert asked.asked.agent_id == "a7"


def test_what_was_shown_is_what_runs():
    assert Talk().answer(decision="allow") == {
        "behavior": "allow",
        "updatedInput": {"command": "ls"},
    }
    changed = Talk().answer(decision="allow", input={})
    assert changed["updatedInput"] == {}


def test_rules_for_the_session_and_a_mode_go_into_no_file():
    allowed = Talk().answer(decision="allow", rules=["Bash(ls *)", "Read"], mode="acceptEdits")
    rules = [{"toolName": "Bash", "ruleContent": "ls *"}, {"toolName": "Read"}]
    assert allowed["updatedPermissions"] == [
        {"type": "addRules", "rules": rules, "behavior": "allow", "destination": "session"},
        {"type": "setMode", "mode": "acceptEdits", "destination": "session"},
    ]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (["A"], "A"),
        (["A", "B"], "A, B"),
        (["A, B"], "A, B"),
        (["A, B", "C"], "A, B; C"),
    ],
)
def test_several_choices_stay_apart(chosen, said):
    replied = Talk().answer(decision="reply", answers={"Which?": chosen})
    assert replied["updatedInput"] == {"command": "ls", "answers": {"Which?": said}}


def test_denied_it_is_told_why():
    assert Talk().answer(decision="deny", why="Not now")["message"] == "Not now"
    assert Talk().answer(decision="deny", why="")["message"]


def test_denied_and_stopped_its_turn_is_stopped_and_not_run_again():
    talk = Talk()
    assert talk.answer(decision="stop")["interrupt"] is True
    talk.hear(ABORTED)
    assert talk.driver.verdict(1, "") == TURN_STOPPED


def test_stopped_it_may_still_do_what_it_was_told():
    talk = Talk()
    talk.answer(decision="stop")
    talk.hear(ABORTED)
    talk.hear(RESULT)
    assert talk.driver.verdict(0, "").outcome is Outcome.SUCCEEDED


def test_a_prompt_that_a_hook_refuses_ends_in_plain_words():
    talk = Talk()
    talk.state("running")
    outcome = {"kind": "blocked_by_hook", "reason": "no secrets here"}
    for data in (
        INIT,
        {"type": "system", "subtype": "informational", "prompt_submit_outcome": outcome},
        {"type": "result", "subtype": "success", "is_error": False, "num_turns": 0},
    ):
        talk.hear(data)
    talk.state("idle")
    verdict = talk.driver.verdict(0, "")
    assert talk.asks_to_end
    assert (verdict.outcome, verdict.permanent) == (Outcome.FAILED, True)
    assert "no secrets here" in (verdict.error or "")


def test_only_a_command_s_description_may_be_worded_anew():
    described = {"command": "ls", "description": "Look"}
    assert ASKED.changed(described).what_runs == ASKED.what_runs
    issue = Asked("r1", "permission", "mcp__tracker__add", {"description": "One"})
    assert issue.changed({"description": "Another"}).what_runs != issue.what_runs


# --- what it is writing -----------------------------------------------------------


def piece(text: str, parent: str | None = None) -> dict[str, Any]:
    event = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}
    return {"type": "stream_event", "event": event, "parent_tool_use_id": parent}


def test_what_it_writes_is_told_until_the_message_has_come():
    talk = Talk()
    assert talk.hear(piece("Hel")) == [Writing("Hel")]
    assert talk.hear({"type": "assistant", "parent_tool_use_id": "t1"}) == []
    assert talk.hear({"type": "assistant"}) == [Writing("")]
    assert talk.hear({"type": "result"}) == []


def test_an_answer_that_begins_again_takes_the_place_of_the_one_before():
    talk = Talk()
    talk.hear(piece("Hel"))
    assert talk.hear({"type": "stream_event", "event": {"type": "message_start"}}) == [Writing("")]


def test_a_sub_agent_s_words_are_not_the_agent_s():
    assert Talk().hear(piece("Hello", parent="t1")) == []


@pytest.mark.parametrize("event", [None, [], {"type": "content_block_delta", "delta": 3}])
def test_a_piece_of_no_known_shape_is_nothing(event):
    assert Talk().hear({"type": "stream_event", "event": event}) == []


@pytest.mark.parametrize(
    ("data", "is_kept"),
    [
        ({"type": "stream_event"}, False),
        ({"type": "command_lifecycle"}, False),
        ({"type": "control_response"}, False),
        ({"type": "system", "subtype": "status", "status": "requesting"}, False),
        ({"type": "system", "subtype": "session_state_changed"}, False),
        ({"type": "system", "subtype": "status", "status": None, "permissionMode": "plan"}, True),
        ({"type": "system", "subtype": "status", "status": "compacting"}, True),
        ({"type": "control_request"}, True),
        ({"type": "a kind of tomorrow"}, True),
        ({"type": ["no kind"]}, True),
        ({"type": "system", "subtype": ["no kind"]}, True),
    ],
)
def test_every_line_that_tells_something_is_stored(data, is_kept):
    assert Talk().driver.keeps(data) is is_kept


# --- going on from answers ----------------------------------------------------------


def first_words(*decisions: Decision) -> str:
    return Talk(decisions=decisions).sent[0]["message"]["content"]


def test_an_allowed_call_is_to_be_made_again_as_it_was_allowed():
    as_asked = first_words(Decision(ASKED, {"decision": "allow"}))
    assert '{"command": "ls"}' in as_asked
    assert "Do it" not in as_asked
    changed = first_words(Decision(ASKED, {"decision": "allow", "input": {"command": "pwd"}}))
    assert '{"command": "pwd"}' in changed
    assert '"ls"' not in changed


def test_its_images_go_ahead_of_its_prompt(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a picture")
    images = [Image(str(tmp_path / "a.png"), "image/png")]
    [image, text] = Talk(images=images).sent[0]["message"]["content"]
    assert (image["source"]["media_type"], text["text"]) == ("image/png", "Do it")


def test_answers_and_denials_are_told_in_words():
    question = Asked("r2", "question", "AskUserQuestion")
    told = first_words(
        Decision(question, {"decision": "reply", "answers": {"Which?": ["A, B", "C"]}}),
        Decision(ASKED, {"decision": "deny", "why": "too early"}),
    )
    assert "- Which?: A, B; C" in told
    assert "denied: too early" in told
    assert "go on" in told


def test_stopped_it_is_told_to_do_nothing_more():
    told = first_words(Decision(ASKED, {"decision": "stop"}))
    assert "go on" not in told
    assert "nothing more" in told
