"""list_requests, answer_request, and what other commands say of what agents ask."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper

from jobs_app import answers
from jobs_app.management.fates import Fates
from jobs_app.models import Closed, JobOptions, JobRequest, SessionOptions, talk
from jobs_app.who import this_user
from sessions_app import transcript
from sessions_app.display.terminal import TranscriptPrinter
from sessions_app.models import Session, SessionMessage
from sessions_app.transcript import NewMessage
from tests.asked import DATABASE, FEATURES, ask, bash, claude, close, codex, plan, questions

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

USER = json.dumps({"type": "user", "message": {"content": "Go on."}})
HOSTILE = "\x1b]52;c;ZXZpbA==\x07\r\x9b2J\u202e\nallowed"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def answered(request: JobRequest):
    return JobRequest.objects.get(pk=request.pk).answer


# --- list_requests -------------------------------------------------------------------


def test_what_waits_is_listed_oldest_first_a_line_each(attempt):
    assert run("list_requests") == "Nothing waits for an answer.\n"
    first, second = ask(attempt, bash("make all")), ask(attempt, questions(DATABASE))
    close(ask(attempt, bash("closed")), Closed.WITHDRAWN)
    one, two = run("list_requests").splitlines()
    assert one.startswith(f"{first.pk}  permission  project  waits 0.")
    assert one.endswith("  Bash: make all")
    assert two.startswith(f"{second.pk}  question  project")
    assert "Which database?" in two


def test_an_id_shows_all_of_a_request_also_of_a_closed_one(attempt):
    request = ask(attempt, bash("echo 1\necho 2", "echo:*", decision_reason="To count."))
    shown = run("list_requests", request.pk[-8:])
    assert "\n    echo 1\n    echo 2\n" in shown
    assert "Why: To count." in shown
    assert "It waits for an answer." in shown
    request.deny("No.")
    assert f"{this_user()} denied this." in run("list_requests", request.pk)
    close(request, Closed.ANSWERED)
    assert run("list_requests") == "Nothing waits for an answer.\n"


def test_all_of_each_with_more_verbosity(attempt):
    ask(attempt, bash("echo 1\necho 2"))
    assert "\n    echo 2\n" in run("list_requests", "--verbosity=2")


def test_a_question_is_shown_with_numbers_for_its_choices(attempt):
    request = ask(attempt, questions(DATABASE, FEATURES))
    shown = run("list_requests", request.pk)
    assert (
        "  1. Data: Which database?\n     1  SQLite\n        a file\n     2  PostgreSQL\n" in shown
    )
    assert "(choose one or several, or type an answer)" in shown


def test_a_plan_and_an_escalation_are_shown_as_what_they_are(attempt, codex_attempt):
    assert "  # First\n  Then" in run("list_requests", ask(attempt, plan("# First\nThen")).pk)
    line = codex("commandExecution/requestApproval", command="ls", cwd="/", itemId="c")
    assert "outside the sandbox" in run("list_requests", ask(codex_attempt, line).pk)


def test_json_tells_all_that_is_asked_an_object_a_line(attempt):
    ask(attempt, claude("Tool", {"text": HOSTILE}))
    ask(attempt, bash("ls", "ls:*"))
    one, two = map(json.loads, run("list_requests", "--json").splitlines())
    assert one["asked"]["input"] == {"text": HOSTILE}
    assert two["asked"]["rules"] == ["Bash(ls:*)"]
    assert two["session"] == attempt.session_id


@pytest.mark.parametrize("tool", ["Bash", "Write", HOSTILE])
def test_nothing_that_is_asked_reaches_the_terminal_as_it_is(attempt, tool):
    Session.objects.update(name=HOSTILE)
    input = {"command": HOSTILE, "file_path": HOSTILE, "content": HOSTILE, HOSTILE: [HOSTILE]}
    request = ask(attempt, claude(tool, input, decision_reason=HOSTILE, agent_id=HOSTILE))
    ask(attempt, questions({"question": HOSTILE, "options": [{"label": HOSTILE}]}))
    ask(attempt, plan(HOSTILE))
    for arguments in ([], [request.pk], ["--verbosity=2"], ["--json"]):
        shown = run("list_requests", *arguments)
        assert not {"\x1b", "\x07", "\r", "\x9b", "\u202e"} & set(shown)
        assert "\nallowed" not in shown
    assert len(run("list_requests").splitlines()) == 3


def test_ten_megabytes_are_one_short_line_and_whole_on_demand(attempt):
    request = ask(attempt, bash("x" * 10_000_000))
    assert len(run("list_requests")) < 300
    assert "x" * 10_000_000 in run("list_requests", request.pk)


# --- answer_request --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "arguments", "answer"),
    [
        (bash(), ["allow"], {"decision": "allow"}),
        (
            bash("ls", "ls:*"),
            ["allow", "--for-session"],
            {"decision": "allow", "rules": ["Bash(ls:*)"]},
        ),
        (
            bash(),
            ["allow", "--input", '{"command": "ls"}'],
            {"decision": "allow", "input": {"command": "ls"}},
        ),
        (plan(), ["allow", "--mode", "default"], {"decision": "allow", "mode": "default"}),
        (bash(), ["deny"], {"decision": "deny", "why": ""}),
        (bash(), ["deny", "--why", "Not now."], {"decision": "deny", "why": "Not now."}),
        (bash(), ["deny", "--stop"], {"decision": "stop"}),
    ],
)
def test_each_answer_can_be_given(attempt, line, arguments, answer):
    request = ask(attempt, line)
    assert run("answer_request", request.pk[-8:], *arguments).startswith(f"{this_user()} ")
    assert answered(request) == answer


@pytest.mark.parametrize(
    ("words", "replies"),
    [
        (["1=2", "2=1", "2=Search"], (["PostgreSQL"], ["Login", "Search"])),
        (["Which database?=SQLite", "2=Something else"], (["SQLite"], ["Something else"])),
        (["1=a=b", "2=9"], (["a=b"], ["9"])),
    ],
)
def test_questions_are_answered_by_their_numbers_or_keys(attempt, words, replies):
    request = ask(attempt, questions(DATABASE, FEATURES))
    run("answer_request", request.pk, "answer", *words)
    assert tuple(answered(request)["answers"].values()) == replies


def test_one_question_needs_no_key(attempt):
    request = ask(attempt, questions(FEATURES))
    run("answer_request", request.pk, "answer", "1", "Search")
    assert answered(request)["answers"] == {"Which features?": ["Login", "Search"]}


def test_a_secret_is_typed_where_the_terminal_does_not_show_it(codex_attempt, monkeypatch):
    asked = {"id": "key", "question": "The key?", "header": "", "isSecret": True, "options": None}
    request = ask(codex_attempt, codex("tool/requestUserInput", questions=[asked], itemId="c"))
    monkeypatch.setattr("getpass.getpass", lambda question: f"typed for {question}")
    said = run("answer_request", request.pk, "answer")
    assert answered(request)["answers"] == {"key": ["typed for The key? "]}
    assert "typed" not in said


@pytest.mark.parametrize(
    ("line", "arguments", "sentence"),
    [
        (bash(), ["allow", "--why", "x"], "--why does not go with allow"),
        (bash(), ["deny", "--for-session"], "--for-session does not go with deny"),
        (bash(), ["allow", "yes"], "ANSWER does not go with allow"),
        (bash(), ["answer", "yes"], "This is a permission, not a question|names no question"),
        (bash(), ["allow", "--input", "{"], "is not JSON"),
        (bash(), ["allow", "--input", "null"], "must be an object"),
        (bash(), ["allow", "--input", "[" * 100_000], "is not JSON"),
        (bash(), ["allow", "--mode", "default"], "Only a plan"),
        (bash(), ["perhaps"], "invalid choice: 'perhaps'"),
        (questions(DATABASE), ["answer"], "Answer the question"),
        (questions(DATABASE, FEATURES), ["answer", "SQLite"], "'SQLite' names no question"),
        (questions(DATABASE), ["answer", "1", "2"], "Choose one answer"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_in_a_sentence(attempt, line, arguments, sentence):
    request = ask(attempt, line)
    with pytest.raises(CommandError, match=sentence):
        run("answer_request", request.pk, *arguments)
    assert answered(request) is None


def test_ids_that_are_none_or_more_than_one_are_refused(attempt):
    request = ask(attempt, bash())
    ask(attempt, bash())
    with pytest.raises(CommandError, match="'nonsense' matches no request"):
        run("answer_request", "nonsense", "allow")
    with pytest.raises(CommandError, match="matches more than one"):
        run("answer_request", request.pk[:8], "allow")


def test_the_second_answer_is_refused(attempt):
    request = ask(attempt, bash())
    run("answer_request", request.pk, "allow")
    with pytest.raises(CommandError, match="has answered this already"):
        run("answer_request", request.pk, "deny")


# --- the conversation ------------------------------------------------------------------


def said(attempt, line: str) -> JobRequest:
    """Asked, and stored as a message of the conversation, as the worker does both."""
    request = ask(attempt, line)
    content = request.content_data
    transcript.append([NewMessage(attempt.session_id, attempt.session.provider, "system", content)])
    return request


def test_the_transcript_tells_requests_and_their_answers_in_their_place(attempt):
    answers.deny(said(attempt, bash("make one")), by="anna")
    said(attempt, bash("make two"))
    transcript.append([NewMessage(attempt.session_id, "claude-code", "user", USER)])
    shown = run("show_transcript", attempt.session_id)
    asked, denied, later = "make one", "anna denied this.", "Permission is asked: make two"
    assert shown.index(asked) < shown.index(denied) < shown.index(later)
    assert shown.index(later) < shown.index("It waits for an answer.") < shown.index("Go on.")
    shapes = map(
        json.loads, run("show_transcript", attempt.session_id, "--format=json").split("\n")[:-1]
    )
    told = [shape["text"] for shape in shapes if shape["shape"] in ("Request", "Notice")]
    assert len(told) == 4
    assert told[1].startswith("anna denied this.")


def test_who_follows_is_told_of_an_answer_that_came_later(attempt):
    out = StringIO()
    printer = TranscriptPrinter(OutputWrapper(out), attempt.session, told=Fates().told)
    request = said(attempt, bash("make one"))
    printer.show(SessionMessage.objects.in_order())
    assert out.getvalue().endswith("- It waits for an answer.\n")
    answers.allow(request, by="anna")
    transcript.append([NewMessage(attempt.session_id, "claude-code", "user", USER)])
    for _ in range(2):
        printer.show(SessionMessage.objects.order_by("-pk")[:1])
    assert out.getvalue().count("- anna allowed this once.") == 1


def test_of_an_answer_that_came_too_late_it_is_told_why_the_agent_has_not_heard_it(attempt):
    request = ask(attempt, bash())
    answers.allow(request, by="anna")
    close(request, Closed.WITHDRAWN)
    told = "anna allowed this once. The agent took its request back before it heard the answer."
    assert told in run("list_requests", request.pk)


def test_each_request_is_parsed_once_for_its_transcript(attempt, monkeypatch):
    parsed = []
    read = talk.read_request
    monkeypatch.setattr(talk, "read_request", lambda *asked: parsed.append(1) or read(*asked))
    for number in range(8):
        said(attempt, bash(f"make {number}"))
    shown = run("show_transcript", attempt.session_id)
    assert shown.count("It waits for an answer.") == 8
    assert len(parsed) == 8


# --- the other commands ------------------------------------------------------------------


def test_queue_status_counts_what_waits(attempt):
    assert "waits for an answer" not in run("queue_status")
    ask(attempt, bash())
    assert "1 request waits for an answer: see list_requests\n" in run("queue_status")
    ask(attempt, bash())
    assert json.loads(run("queue_status", "--json"))["unanswered"] == 2


def test_approvals_of_a_new_session_and_of_a_prompt(project):
    session_id = run("create_session", str(project), "--approvals", "deny").strip()
    assert SessionOptions.objects.get().session_id == session_id
    assert SessionOptions.objects.get().approvals == "deny"
    job_id = run("submit_prompt", session_id, "Do it", "--approvals", "ask").strip()
    assert JobOptions.objects.get(job=job_id).approvals == "ask"
    run("submit_prompt", session_id, "Do it")
    assert JobOptions.objects.count() == 1


def test_approvals_are_one_of_two_words(project):
    with pytest.raises(CommandError, match="invalid choice: 'always'"):
        run("create_session", str(project), "--approvals", "always")
    assert not Session.objects.exists()
