"""The talk of one attempt: what is stored before what, and what becomes of an answer that comes as
the agent ends."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

from jobs_app.agents.base import Ask, Heard, Send, Withdraw
from jobs_app.models import Closed, JobAttempt, JobRequest, JobSteer
from jobs_app.talk import Asking, Closing, Hearing, Reopening, Telling
from jobs_app.worker.dialogue import Dialogue
from jobs_app.worker.looking import News
from jobs_app.worker.timelimit import TimeLimit
from sessions_app.models import Session
from sessions_app.providers import Asked, Choice, Question
from tests.asked import bash, claude


class Driver:
    """Answers and words as plain lines."""

    def begin(self):
        return [Send(b"prompt")]

    def answer(self, asked, answer):
        return [Send(f"{asked.id} {answer['decision']}".encode())]

    def tell(self, id, text):
        return [Send(text.encode())]

    def interrupt(self, *, is_last):
        return [Send(b"interrupt")]


@dataclass
class Input:
    said: list[str] = field(default_factory=list)
    is_open: bool = True

    def write(self, data: bytes) -> None:
        self.said.append(data.decode())

    def close_input(self) -> None:
        self.is_open = False


class Recorder:
    """Stores what it is given in order; `gate` holds up whoever waits for that."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    def note(self, attempt, item) -> None:
        self.items.append(item)

    draft = note

    async def stored(self, attempt, item) -> bool:
        self.items.append(item)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return True

    def kinds(self) -> list[type]:
        return [type(item) for item in self.items]


class Scene:
    def __init__(self, answered=(), patience=60.0) -> None:
        session = Session(pk="s", provider="claude-code")
        self.attempt = JobAttempt(pk="a", job_id="j", session=session)
        self.input, self.recorder = Input(), Recorder()
        self.waited: list[bool] = []
        self.lost: list[bool] = []
        self.limit = TimeLimit(3600, lambda: None)
        self.dialogue = Dialogue(
            self.attempt,
            cast(Any, Driver()),
            self.input,
            cast(Any, self.recorder),
            answered,
            patience=patience,
            limit=self.limit,
            on_wait_over=lambda: self.waited.append(True),
            on_lost=lambda: self.lost.append(True),
            conversation=lambda: "c",
        )
        self.dialogue.begin()

    def ask(self, command: str, id: str = "r1") -> None:
        asked = Asked(id, "permission", "Bash", {"command": command})
        self.dialogue.perform([Ask(asked, bash(command))])

    def asked(self) -> list[JobRequest]:
        return [item.request for item in self.recorder.items if isinstance(item, Asking)]

    def asked_and_allowed(self, command: str) -> JobRequest:
        """What a person has allowed, and the agent has not heard yet."""
        self.ask(command)
        [request] = self.asked()
        request.answer = {"decision": "allow"}
        return request

    def hear(self, *answered, told=()) -> None:
        self.dialogue.hear(News("a", False, False, answered, told))


def answered(command: str, decision: str, **more) -> JobRequest:
    session = Session(pk="s", provider="claude-code")
    answer = {"decision": decision, **more}
    return JobRequest(session=session, tool="Bash", content_data=bash(command), answer=answer)


def play(scene) -> None:
    asyncio.run(scene())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_an_answer_is_stored_as_handed_over_before_the_agent_hears_it():
    async def scene():
        here = Scene()
        request = here.asked_and_allowed("make")
        here.recorder.gate.clear()
        here.hear(request)
        here.hear(request)
        await settle()
        assert here.recorder.items[1:] == [Closing([request], Closed.ANSWERED)]
        assert here.input.said == ["prompt"]
        here.recorder.gate.set()
        await settle()
        assert here.input.said == ["prompt", "r1 allow"]

    play(scene)


def test_an_answer_that_is_being_stored_when_the_agent_is_ended_is_kept():
    async def scene():
        here = Scene()
        request = here.asked_and_allowed("make")
        here.recorder.gate.clear()
        here.hear(request)
        await settle()
        here.dialogue.interrupt(is_last=True)
        finished = asyncio.ensure_future(here.dialogue.finish(is_done=False))
        await settle()
        assert not finished.done()
        here.recorder.gate.set()
        await finished
        assert here.recorder.items[-1] == Reopening(request)
        assert "r1 allow" not in here.input.said

    play(scene)


def test_an_agent_that_has_exited_is_given_no_answer():
    async def scene():
        here = Scene()
        request = here.asked_and_allowed("make")
        here.input.is_open = False
        here.hear(request)
        await settle()
        assert here.recorder.kinds() == [Asking]

    play(scene)


def test_an_answer_that_comes_as_the_agent_is_being_ended_is_for_its_next_run():
    async def scene():
        here = Scene()
        request = here.asked_and_allowed("make")
        here.dialogue.interrupt(is_last=True)
        here.hear(request)
        await here.dialogue.finish(is_done=False)
        assert here.recorder.kinds() == [Asking]
        assert here.input.said == ["prompt", "interrupt"]

    play(scene)


def test_what_was_allowed_before_is_good_for_one_call():
    async def scene():
        here = Scene([answered("make", "allow")])
        here.ask("make", "r1")
        await settle()
        assert here.input.said == ["prompt", "r1 allow"]
        here.ask("make", "r2")
        assert len(here.asked()) == 1

    play(scene)


def test_another_call_than_was_allowed_is_asked_anew():
    async def scene():
        here = Scene([answered("make", "allow", input={"command": "make -j"})])
        here.ask("make install", "r1")
        assert len(here.asked()) == 1
        here.ask("make -j", "r2")
        await settle()
        assert here.input.said == ["prompt", "r2 allow"]

    play(scene)


def test_what_was_told_in_words_is_closed_once_the_agent_has_gone_on_from_it():
    async def scene():
        denied = answered("make", "deny", why="No.")
        here = Scene([denied])
        assert here.recorder.items == []
        here.ask("ls")
        assert here.recorder.items[0] == Closing([denied], Closed.ANSWERED)

        here = Scene([denied])
        await here.dialogue.finish(is_done=False)
        assert here.recorder.items == []
        here = Scene([denied])
        await here.dialogue.finish(is_done=True)
        assert here.recorder.items == [Closing([denied], Closed.ANSWERED)]

    play(scene)


def test_nobody_is_waited_for_once_the_worker_is_impatient():
    async def scene():
        here = Scene()
        here.ask("make")
        here.dialogue.be_impatient()
        await asyncio.sleep(0.01)
        assert here.waited == [True]
        here = Scene()
        here.dialogue.be_impatient()
        await asyncio.sleep(0.01)
        assert here.waited == []
        here.ask("make")
        await asyncio.sleep(0.01)
        assert here.waited == [True]

    play(scene)


def test_a_person_who_answers_one_request_after_another_is_not_given_up():
    async def scene():
        here = Scene(patience=0.2)
        here.ask("make", "r1")
        here.ask("make all", "r2")
        for request in here.asked():
            await asyncio.sleep(0.12)
            request.answer = {"decision": "allow"}
            here.hear(request)
        await asyncio.sleep(0.1)
        assert here.waited == []

    play(scene)


def test_an_agent_whose_answer_cannot_be_stored_is_not_left_waiting():
    async def scene():
        here = Scene()
        request = here.asked_and_allowed("make")
        here.recorder.failure = ValueError("no room")
        here.hear(request)
        await settle()
        assert here.lost == [True]
        assert here.input.said == ["prompt"]

    play(scene)


def test_an_answer_to_one_question_is_not_given_to_another():
    asked = [
        Asked("0", "question", "Question", questions=[Question("q", text, choices=[Choice("A")])])
        for text in ("Which database?", "Delete it all?")
    ]
    assert asked[0].what_runs != asked[1].what_runs


def test_what_the_agent_takes_back_is_closed_unless_it_is_being_ended():
    async def scene():
        here = Scene()
        here.ask("make")
        here.dialogue.perform([Withdraw("r1")])
        assert here.recorder.items[-1].why == Closed.WITHDRAWN
        assert not here.dialogue.is_waiting
        here.ask("make", "r2")
        here.dialogue.interrupt(is_last=True)
        here.dialogue.perform([Withdraw("r2")])
        assert here.recorder.kinds() == [Asking, Closing, Asking]

    play(scene)


def test_a_word_is_told_once_after_it_is_stored():
    async def scene():
        here = Scene()
        steer = JobSteer(pk="w", text="Hurry")
        here.hear(told=[steer])
        here.hear(told=[steer])
        await settle()
        assert here.recorder.items == [Telling(steer)]
        assert here.input.said == ["prompt", "Hurry"]
        here.dialogue.perform([Heard("w")])
        assert here.recorder.items[-1] == Hearing(steer)

    play(scene)


def test_a_name_that_no_database_holds_is_written_out():
    async def scene():
        here = Scene()
        line = claude("Ba\0sh\ud800", {"command": "x"})
        asked = Asked("r1", "permission", "Ba\0sh\ud800", {"command": "x"}, call_id="\0" * 500)
        here.dialogue.perform([Ask(asked, line)])
        [request] = here.asked()
        assert request.tool == "Ba\\x00sh\\xd800"
        assert "\0" not in request.call_id

    play(scene)


def test_the_time_limit_stands_still_while_a_person_is_asked():
    async def scene():
        ended: list[bool] = []
        limit = TimeLimit(0.05, lambda: ended.append(True))
        limit.pause()
        await asyncio.sleep(0.1)
        assert ended == []
        limit.go_on()
        await asyncio.sleep(0.1)
        assert ended == [True]

    play(scene)


def test_a_time_limit_that_is_paused_as_it_ends_ends_when_it_goes_on():
    async def scene():
        ended: list[bool] = []
        limit = TimeLimit(0.0, lambda: ended.append(True))
        limit.pause()
        limit.pause()
        await asyncio.sleep(0.01)
        assert ended == []
        limit.go_on()
        limit.go_on()
        await asyncio.sleep(0.01)
        assert ended == [True]

    play(scene)
