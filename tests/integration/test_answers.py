"""Answers to what agents ask: once, by anybody, and only to what was shown."""

import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import connections

from jobs_app import answers
from jobs_app.models import Closed, Job, JobRequest
from jobs_app.outcomes import Outcome
from jobs_app.who import this_user
from sessions_app.models import Session
from tests.asked import DATABASE, FEATURES, ask, bash, claude, close, codex, plan, questions
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

EDIT = {"file_path": "a", "old_string": "b", "new_string": "c", "replace_all": False}


def answer_of(request: JobRequest):
    return JobRequest.objects.get(pk=request.pk).answer


def is_open(request: JobRequest) -> bool:
    return JobRequest.objects.unanswered().filter(pk=request.pk).exists()


# --- answers that are given --------------------------------------------------------


def test_it_is_noted_who_has_answered_and_when(attempt):
    request = ask(attempt, bash()).allow()
    assert request.answer == {"decision": "allow"}
    assert request.answered_by == this_user()
    assert request.asked_at <= request.answered_at
    assert LogEntry.objects.get().get_change_message() == f"{this_user()} allowed this once."


def test_a_name_from_outside_is_kept_and_logged_by_its_page(attempt):
    request = ask(attempt, bash())
    answers.deny(request, why="Not today.", by="anna")
    request.refresh_from_db()
    assert request.answer == {"decision": "deny", "why": "Not today."}
    assert request.answered_by == "anna"
    assert not LogEntry.objects.exists()


def test_a_changed_input_runs_instead(attempt):
    request = ask(attempt, claude("Edit", EDIT)).allow(input={**EDIT, "replace_all": True})
    assert request.answer["input"]["replace_all"] is True


def test_keys_may_be_left_out_of_a_changed_input(attempt):
    request = ask(attempt, claude("Bash", {"command": "make", "timeout": 5}))
    assert request.allow(input={"command": "make -j"}).answer["input"] == {"command": "make -j"}


def test_a_plan_goes_on_as_was_said(attempt):
    assert ask(attempt, plan()).allow(mode="acceptEdits").answer["mode"] == "acceptEdits"


def test_questions_take_choices_several_and_words_of_ones_own(attempt):
    request = ask(attempt, questions(DATABASE, FEATURES))
    request.reply({"Which database?": "A big one", "Which features?": ["Login", "Search"]})
    assert request.answer["answers"] == {
        "Which database?": ["A big one"],
        "Which features?": ["Login", "Search"],
    }


def test_denied_and_stopped(attempt):
    assert ask(attempt, bash()).deny(stop=True).answer == {"decision": "stop"}


# --- for this session ----------------------------------------------------------------


def test_what_the_session_allows_from_now_on_stands_in_its_own_list(attempt, session):
    request = ask(attempt, bash("npm test", "npm test:*")).allow(for_session=True)
    session.refresh_from_db()
    assert session.allowed_tools == ["Bash(npm test:*)"] == request.answer["rules"]
    ask(attempt, bash("npm test", "npm test:*")).allow(for_session=True)
    session.refresh_from_db()
    assert session.allowed_tools == ["Bash(npm test:*)"]


def test_a_job_with_a_list_of_its_own_gets_it_too(make_session, worker):
    session = make_session("own")
    job = Job.objects.enqueue(session, "Do it", allowed_tools=["Read"])
    ask(claim(worker)[0], bash("ls", "ls:*")).allow(for_session=True)
    job.refresh_from_db()
    session.refresh_from_db()
    assert job.data["allowedTools"] == ["Read", "Bash(ls:*)"]
    assert session.allowed_tools == ["Bash(ls:*)"]


@pytest.mark.parametrize(
    "rule",
    ["x),Bash(*", "echo (a)", "a, b", "a\nb", "a\x1b[2K", "ls \u202e*", "x" * 501],
)
def test_a_rule_that_cannot_be_an_entry_is_not_offered(attempt, session, rule):
    request = ask(attempt, bash("echo", rule))
    assert request.asked.rules == []
    with pytest.raises(ValidationError, match="allowed only once"):
        request.allow(for_session=True)
    session.refresh_from_db()
    assert session.allowed_tools == []
    assert is_open(request)


def test_the_rules_that_are_offered_are_those_that_are_kept(attempt, session):
    request = ask(attempt, bash("a && b", "a:*", "b"))
    assert request.asked.rules == ["Bash(a:*)", "Bash(b)"]
    request.allow(for_session=True)
    session.refresh_from_db()
    assert session.allowed_tools == ["Bash(a:*)", "Bash(b)"]


def test_a_part_of_the_rules_is_not_offered(attempt):
    assert ask(attempt, bash("a && b", "a:*", "b (c)")).asked.rules == []


def test_codex_keeps_count_of_what_it_was_allowed(codex_attempt):
    line = codex("commandExecution/requestApproval", command="ls", cwd="/", itemId="c")
    request = ask(codex_attempt, line).allow(for_session=True)
    assert request.answer == {"decision": "allow", "rules": []}
    assert Session.objects.get(pk=codex_attempt.session_id).allowed_tools == []


# --- answers that are refused ----------------------------------------------------------


def refused(request: JobRequest, sentence: str, verb: str, *arguments, **options) -> None:
    with pytest.raises(ValidationError, match=sentence):
        getattr(request, verb)(*arguments, **options)


def test_the_second_answer_is_told_who_was_first(attempt):
    request = ask(attempt, bash())
    answers.allow(request, by="anna")
    refused(request, "anna has answered this already", "deny", "No.")
    assert answer_of(request) == {"decision": "allow"}


def test_of_many_answers_at_once_one_counts(attempt):
    """Also where each would add to what the session allows."""
    request = ask(attempt, bash("ls", "ls:*"))
    outcomes: list[str] = []
    at_once = threading.Barrier(6)

    def answer(name: str) -> None:
        at_once.wait(10)
        try:
            answers.allow(request, for_session=True, by=name)
            outcomes.append("given")
        except ValidationError as refusal:
            outcomes.append(str(refusal.message))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=answer, args=[f"person {n}"]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    given = JobRequest.objects.get()
    late = f"{given.answered_by} has answered this already."
    assert sorted(outcomes) == sorted(["given", *[late] * 5])
    assert Session.objects.get().allowed_tools == ["Bash(ls:*)"]


@pytest.mark.parametrize(
    ("why", "sentence"),
    [(Closed.WITHDRAWN, "withdrawn by the agent"), (Closed.RUN_ENDED, "the job ended")],
)
def test_what_is_closed_takes_no_answer(attempt, why, sentence):
    request = ask(attempt, bash())
    close(request, why)
    refused(request, sentence, "allow")
    assert answer_of(request) is None


def test_after_the_end_of_the_job_there_is_nothing_to_answer(attempt):
    request = ask(attempt, bash())
    end(attempt, Outcome.FAILED, "No.", permanent=True)
    refused(request, "This request is closed: the job ended", "allow")


def test_a_deleted_request_is_no_error_of_ours(attempt, session):
    request = ask(attempt, bash())
    end(attempt, Outcome.FAILED, "No.", permanent=True)
    session.delete()
    with pytest.raises(ValidationError, match="no longer exists"):
        answers.allow(request)


@pytest.mark.parametrize(
    ("input", "sentence"),
    [
        ([], "must be an object"),
        ("make", "must be an object"),
        ({}, "must be an object"),
        ({"comand": "ls"}, "has the key 'comand'; what was asked has: command"),
        ({"command": "ls", "run_in_background": True}, "has the key 'run_in_background'"),
        ({"command": ["ls"]}, "'command' must be a text"),
        ({"command": None}, "'command' must be a text"),
        ({"command": "a\x00b"}, "holds a NUL"),
        ({"command": "\ud800"}, "not valid UTF-8"),
        ({"command": object()}, "is not JSON"),
        ({"command": "x" * (1024 * 1024)}, "over 1 MiB"),
        ({"\u202e": "ls"}, "has the key .*202e"),
    ],
)
def test_a_changed_input_of_the_wrong_shape_is_refused(attempt, input, sentence):
    request = ask(attempt, bash())
    refused(request, sentence, "allow", input=input)
    assert is_open(request)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_has_not_would_end_the_agent(attempt, value):
    request = ask(attempt, claude("Wait", {"seconds": 1}))
    refused(request, "is not JSON", "allow", input={"seconds": value})
    request.allow(input={"seconds": 1.5})


@pytest.mark.parametrize(
    ("line", "verb", "options", "sentence"),
    [
        (bash(), "reply", {"answers": {"x": "y"}}, "This is a permission, not a question"),
        (bash(), "allow", {"mode": "acceptEdits"}, "Only a plan"),
        (plan(), "allow", {"mode": "bypassPermissions"}, "'bypassPermissions' is no way to go on"),
        (plan(), "allow", {"input": {"plan": "x"}}, "cannot be changed"),
        (plan(), "allow", {"for_session": True}, "allowed only once"),
        (questions(DATABASE), "allow", {}, "This is a question"),
        (questions(), "reply", {"answers": {}}, "nothing that can be answered"),
        (bash(), "deny", {"why": "w" * 2_000_000}, "too long: use at most 100,000 characters"),
        (bash(), "deny", {"why": "a\x00"}, "holds a NUL"),
        (bash(), "deny", {"why": None}, "must be text"),
        (bash(), "deny", {"why": "Stop.", "stop": True}, "stops without hearing why"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(attempt, line, verb, options, sentence):
    request = ask(attempt, line)
    refused(request, sentence, verb, **options)
    assert is_open(request)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Answer each of the 2 questions"),
        ({"Which database?": "SQLite"}, "Answer each of the 2 questions"),
        ({"Which database?": "SQLite", "Which house?": "Mine"}, "Answer each of the 2 questions"),
        ("SQLite", "Answer each of the 2 questions"),
    ],
)
def test_each_question_is_answered_and_nothing_else(attempt, given, sentence):
    request = ask(attempt, questions(DATABASE, FEATURES))
    refused(request, sentence, "reply", given)
    assert is_open(request)


@pytest.mark.parametrize(
    ("question", "given", "sentence"),
    [
        (DATABASE, ["SQLite", "PostgreSQL"], r"Choose one answer to 'Which database\?'"),
        (DATABASE, "  ", "Choose or type an answer"),
        (DATABASE, [], "Choose or type an answer"),
        (DATABASE, [1], "Choose or type an answer"),
        (DATABASE, 1, "Choose or type an answer"),
        (DATABASE, "d" * 2_000_000, "too long"),
        (FEATURES, ["One of mine", "another"], "Type one answer of your own"),
    ],
)
def test_a_reply_that_does_not_fit_is_refused(attempt, question, given, sentence):
    request = ask(attempt, questions(question))
    refused(request, sentence, "reply", {question["question"]: given})
    assert is_open(request)


def test_a_choice_that_does_not_exist_is_refused_where_words_are_not_taken(codex_attempt):
    options = [{"label": "A", "description": ""}, {"label": "B", "description": ""}]
    asked = {"id": "q", "question": "Which?", "header": "", "isOther": False, "options": options}
    request = ask(codex_attempt, codex("tool/requestUserInput", questions=[asked], itemId="c"))
    refused(request, r"'C' is not one of the choices of 'Which\?'", "reply", {"q": "C"})
    assert request.reply({"q": "B"}).answer["answers"] == {"q": ["B"]}


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '{"type": "control_request", "request_id": 7}', '{"a": "\ud800"}']
)
def test_a_request_that_cannot_be_read_can_only_be_denied(attempt, line):
    request = ask(attempt, bash())
    JobRequest.objects.update(content_data=line.encode("utf-8", "ignore").decode())
    request.refresh_from_db()
    refused(request, "does not say all that would run", "allow")
    assert request.deny().answer["decision"] == "deny"


def test_a_patch_whose_changes_are_not_known_can_only_be_denied(codex_attempt):
    request = ask(codex_attempt, codex("fileChange/requestApproval", itemId="c"), "{}")
    refused(request, "does not say all that would run", "allow")


def test_an_unknown_tool_of_ten_megabytes_is_asked_and_allowed_whole(attempt):
    input = {"\x1b[2J": "\u202e" * 10, "text": "x" * 10_000_000}
    request = ask(attempt, claude("mcp__new__tool", input))
    assert request.asked.input == input
    assert request.allow().answer == {"decision": "allow"}
