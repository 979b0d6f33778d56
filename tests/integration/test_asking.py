"""What `submit_prompt --wait` asks at the terminal, and what it makes of what is typed."""

import os
from io import StringIO
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from jobs_app import answers
from jobs_app.management.asking import RequestTerminal
from jobs_app.management.typed_lines import TypedLines
from jobs_app.models import Closed, Job, JobRequest
from jobs_app.who import this_user
from tests.asked import DATABASE, FEATURES, ask, bash, close, codex, plan, questions
from tests.leasing import claim

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

NOBODY_TYPES = os.open(os.devnull, os.O_RDONLY)


class Terminal:
    """A person who types, and what they have seen."""

    def __init__(self, job: Job, *, can_answer: bool = True) -> None:
        self.screen = StringIO()
        typed = TypedLines(NOBODY_TYPES) if can_answer else None
        self.asking = RequestTerminal(job, OutputWrapper(self.screen), typed)

    def look(self) -> str:
        """What is new on the screen."""
        before = len(self.screen.getvalue())
        self.asking.look()
        return self.screen.getvalue()[before:]

    def type(self, line: str) -> str:
        before = len(self.screen.getvalue())
        self.asking.take(line)
        return self.screen.getvalue()[before:]


@pytest.fixture
def terminal(attempt):
    return Terminal(attempt.job)


def answer() -> Any:
    """What was answered; None if nothing was."""
    return JobRequest.objects.get().answer


def test_what_would_run_is_shown_literally_with_the_answers_to_it(attempt, terminal):
    assert terminal.look() == ""
    ask(attempt, bash("rm -r build && make", "make:*"))
    shown = terminal.look()
    assert "  Command\n    rm -r build && make\n" in shown
    assert "s        allow it for this session: Bash(make:*)\n" in shown
    assert terminal.look() == ""


def test_for_this_session_is_offered_only_where_it_can_be(attempt, terminal):
    ask(attempt, bash("make", "a) (b"))
    assert "for this session" not in terminal.look()
    assert "allowed only once" in terminal.type("s")


@pytest.mark.parametrize(
    ("line", "typed", "given"),
    [
        (bash(), "a", {"decision": "allow"}),
        (bash("ls", "ls:*"), "s", {"decision": "allow", "rules": ["Bash(ls:*)"]}),
        (bash(), 'e {"command": "ls"}', {"decision": "allow", "input": {"command": "ls"}}),
        (bash(), "d", {"decision": "deny", "why": ""}),
        (bash(), " d Use the makefile. ", {"decision": "deny", "why": "Use the makefile."}),
        (bash(), "x", {"decision": "stop"}),
        (plan(), "a", {"decision": "allow", "mode": "default"}),
        (plan(), "e", {"decision": "allow", "mode": "acceptEdits"}),
        (plan(), "d Shorter.", {"decision": "deny", "why": "Shorter."}),
        (questions(DATABASE), "/d Ask later.", {"decision": "deny", "why": "Ask later."}),
        (questions(DATABASE), "/x", {"decision": "stop"}),
    ],
)
def test_a_letter_answers(attempt, terminal, line, typed, given):
    ask(attempt, line)
    terminal.look()
    assert terminal.type(typed).startswith(f"< {this_user()} ")
    assert answer() == given


@pytest.mark.parametrize(
    ("line", "typed", "sentence"),
    [
        (bash(), "y", "none of the answers"),
        (bash(), "allow", "none of the answers"),
        (bash(), "a lot", "none of the answers"),
        (bash(), "e", "is not JSON"),
        (bash(), "e ls", "is not JSON"),
        (bash(), 'e {"comand": "ls"}', "has the key 'comand'"),
        (bash(), "", ""),
        (plan(), "s", "none of the answers"),
        (questions(FEATURES), "/a", "none of the answers"),
    ],
)
def test_what_is_no_answer_gives_none(attempt, terminal, line, typed, sentence):
    ask(attempt, line)
    terminal.look()
    assert sentence in terminal.type(typed)
    assert answer() is None


def test_questions_are_asked_one_after_the_other_and_answered_together(attempt, terminal):
    ask(attempt, questions(DATABASE, FEATURES))
    assert "Your answer to question 1 of 2:" in terminal.look()
    assert "question 2 of 2" in terminal.type("2")
    assert answer() is None
    terminal.type("1, 2")
    assert list(answer()["answers"].values()) == [["PostgreSQL"], ["Login", "Search"]]


def test_a_question_takes_words_of_ones_own(attempt, terminal):
    ask(attempt, questions(DATABASE))
    terminal.look()
    terminal.type("1 or 2, whatever is there")
    assert list(answer()["answers"].values()) == [["1 or 2, whatever is there"]]


def test_answers_from_elsewhere_are_told_and_the_next_request_is_shown(attempt, terminal):
    first, _ = ask(attempt, bash("one")), ask(attempt, bash("two"))
    assert "two" not in terminal.look()
    answers.deny(first, by="anna")
    shown = terminal.look()
    assert shown.startswith("< anna denied this.\n")
    assert "    two\n" in shown


def test_who_answers_a_moment_later_is_told_so_and_answers_nothing_else(attempt, terminal):
    first, second = ask(attempt, bash("one")), ask(attempt, bash("two"))
    terminal.look()
    answers.deny(first, by="anna")
    assert "anna has answered this already" in terminal.type("a")
    assert JobRequest.objects.get(pk=second.pk).answer is None


def test_half_an_answer_is_forgotten_with_its_request(attempt, terminal):
    first = ask(attempt, questions(DATABASE, FEATURES))
    second = ask(attempt, questions(DATABASE, FEATURES))
    terminal.look()
    terminal.type("1")
    close(first, Closed.WITHDRAWN)
    assert "Your answer to question 1 of 2:" in terminal.look()
    terminal.type("2")
    assert JobRequest.objects.get(pk=second.pk).answer is None


def test_what_the_agent_takes_back_is_told(attempt, terminal):
    request = ask(attempt, bash())
    terminal.look()
    close(request, Closed.WITHDRAWN)
    assert terminal.look().startswith("< The agent took this back")
    assert terminal.type("a") == ""


def test_another_job_is_not_asked_about(attempt, make_session, worker):
    other = Job.objects.enqueue(make_session("other"), "Wait")
    ask(attempt, bash())
    assert Terminal(other).look() == ""


def test_what_is_too_long_to_show_is_not_allowed_here(attempt, terminal):
    request = ask(attempt, bash("x" * 30_000 + "; rm -r /"))
    shown = terminal.look()
    assert f"list_requests {request.pk}" in shown
    assert "allow it" not in shown
    for typed in ("a", "s", 'e {"command": "ls"}'):
        assert "none of the answers" in terminal.type(typed)
    assert answer() is None
    terminal.type("d")
    assert answer()["decision"] == "deny"


def test_without_a_terminal_it_is_said_how_to_answer(attempt):
    request = ask(attempt, bash())
    shown = Terminal(attempt.job, can_answer=False).look()
    assert f"answer_request {request.pk}" in shown
    assert "allow it once" not in shown


def test_a_secret_is_not_typed_where_everybody_sees_it(make_session, worker):
    job = Job.objects.enqueue(make_session("two", provider="codex-cli"), "Do it")
    [running] = claim(worker)
    asked = {"id": "key", "question": "The key?", "isSecret": True}
    request = ask(running, codex("tool/requestUserInput", questions=[asked], itemId="c"))
    terminal = Terminal(job)
    assert f"answer_request {request.pk}" in terminal.look()
    terminal.type("1234")
    assert answer() is None


def test_hostile_requests_are_shown_harmlessly(attempt, terminal):
    ask(attempt, bash("ls \x1b[2J\r\x07\u202e\na        allow it once", "ls:*"))
    shown = terminal.look()
    assert not {"\x1b", "\r", "\x07", "\u202e"} & set(shown)
    assert "    a        allow it once\n" in shown
