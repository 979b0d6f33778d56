"""What a person reads of the streams that users of similar tools reported."""

import re
from html import unescape
from io import StringIO

import pytest
from django.core.management import call_command

from sessions_app import transcript
from sessions_app.display import rendering
from sessions_app.models import Session
from sessions_app.providers import PROVIDERS, events
from sessions_app.transcript import NewMessage
from tests import cases_of_the_field as cases


@pytest.fixture
def session_of(make_session):
    """A session that holds the messages of a case."""

    def make(name: str) -> Session:
        provider = cases.provider_of(name)
        session = make_session(provider=provider)
        lines = [events.read_line(line.encode()) for line in cases.lines(name)]
        transcript.append(
            [
                NewMessage(session.pk, provider, PROVIDERS[provider].classify(x.data), x.raw)
                for x in lines
            ]
        )
        return session

    return make


def page(session: Session) -> str:
    return "".join(rendering.html(entry) for entry in rendering.page(session).entries)


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def terminal(session: Session) -> str:
    out = StringIO()
    call_command("show_transcript", session.pk, stdout=out)
    return out.getvalue()


READ = {
    "text_without_text": ["without its text", "The useful answer.", "Bash"],
    "result_only": ["The whole answer stands only here: 42."],
    "compact_failed": ["Compaction failed: Conversation too long."],
    "side_events": ["Ran the tests", "OAuth token expired", "Tests pass."],
    "task_notification": ['Background command "Commit merge" completed (exit code 0)'],
    "tool_reference": ["mcp__github__tool_0", "mcp__github__tool_16"],
    "web_search_blocks": ["top three car rental companies", "Car rental 2", "The three are"],
    "cx_websearch": ["weather Berlin; Berlin forecast", "open https://example.com/berlin"],
    "ask_user": ["handle these 14 captures?", "- Approve all: Take them", "- Review: One by one"],
    "cx_collab": ["Audit the login", "errored: context window exceeded"],
    "image_user": ["what is wrong here?"],
}


@pytest.mark.parametrize("name", READ)
def test_a_case_is_told_in_words_on_the_page_and_in_the_terminal(session_of, name):
    session = session_of(name)
    for shown in (words(page(session)), " ".join(terminal(session).split())):
        assert [text for text in READ[name] if text not in shown] == []


def test_the_picture_of_a_case_is_on_the_page_and_told_in_the_terminal(session_of):
    session = session_of("image_user")
    assert re.search(r'<img src="[^"]+" alt="image/png, 2.0 MB"', page(session))
    assert "image/png, 2.0 MB" in terminal(session)


@pytest.mark.parametrize("name", cases.NAMES)
def test_no_case_shows_an_unknown_event(session_of, name):
    session = session_of(name)
    assert "Unknown event" not in words(page(session))
    assert "unknown" not in terminal(session).lower()


def test_signs_of_life_are_not_told(session_of):
    shown = terminal(session_of("side_events"))
    assert not re.search("progress|heartbeat|keep.alive|session.state", shown)


def test_what_the_tool_said_is_no_prompt(session_of):
    session = session_of("task_notification")
    assert 'class="entry prompt"' not in page(session)
    assert "> " not in terminal(session)


def test_a_search_links_to_what_it_found(session_of):
    html = page(session_of("web_search_blocks"))
    assert '<a href="https://example.com/2" rel="noopener noreferrer">' in html
    assert "RXhRXhRXhR" not in html


def test_the_answer_of_a_result_is_told_once(session_of):
    for name, answer in (("side_events", "Tests pass."), ("result_only", "The whole answer")):
        session = session_of(name)
        assert page(session).count(answer) == 1
        assert terminal(session).count(answer) == 1


def test_a_helpers_failure_is_marked(session_of):
    session = session_of("cx_collab")
    failed = next(e for e in rendering.page(session).entries if "Audit" in rendering.html(e))
    assert failed.state == "failed"
    assert "* spawn_agent Audit the login\n  failed\n" in terminal(session)


def test_the_results_of_parallel_calls_are_told_with_their_calls(session_of):
    shown = terminal(session_of("parallel_tools"))
    assert "* Bash git status\n  on branch main\n" in shown
    assert "< Bash npm test\n  failed with exit code 1\n  3 tests failed\n" in shown


def test_a_question_stands_open_on_the_page(session_of):
    html = page(session_of("ask_user"))
    assert re.search(r'<details class="entry call done"[^>]* open>', html)


def test_a_page_that_begins_with_the_end_of_a_turn_does_not_repeat_its_answer(session_of):
    session = session_of("side_events")
    more = [events.prompt(f"prompt {number}", "") for number in range(rendering.PAGE - 1)]
    transcript.append([NewMessage(session.pk, session.provider, "user", x.raw) for x in more])
    html = page(session)
    assert "End of turn" in html and "Tests pass." not in html


def result(content):
    return {"type": "user", "message": {"role": "user", "content": [content]}}


def call(name, **given):
    block = {"type": "tool_use", "id": "t", "name": name, "input": given}
    return {"type": "assistant", "message": {"role": "assistant", "content": [block]}}


def status(**told):
    return {"type": "system", "subtype": "status", "status": None, **told}


def ended(**item):
    return {"type": "item.completed", "item": {"id": "item_0", **item}}


SAID = {"message": "it is down"}
ODD = [
    ("claude-code", status(compact_result="failed", compact_error=SAID), "failed: it is down"),
    ("claude-code", status(compact_result="aborted"), "Compaction aborted"),
    ("claude-code", status(compact_error="too long"), "Compaction failed: too long"),
    ("claude-code", {"type": "system", "message": "it is down"}, "it is down"),
    ("claude-code", {"type": "system", "subtype": "new_one", "message": {"text": "hi!"}}, "hi!"),
    ("claude-code", {"type": "auth_status", "error": SAID}, "Login: it is down"),
    ("claude-code", {"type": "auth_status", "error": 5, "output": "x"}, "Login: 5"),
    ("claude-code", {"type": "error", "error": SAID}, "it is down"),
    (
        "claude-code",
        {"type": "control_response", "response": {"error": SAID}},
        "A request failed: it is down",
    ),
    (
        "claude-code",
        {"type": "control_request", "request": {"subtype": "elicitation", "message": "Token?"}},
        "Request: elicitation: Token?",
    ),
    (
        "claude-code",
        {"type": "rate_limit_event", "rate_limit_info": {"resetsAt": 1795446000000}},
        "2026-11-23 15:00 UTC",
    ),
    (
        "claude-code",
        result({"type": "tool_result", "tool_use_id": "t", "content": {"error": SAID}}),
        "failed it is down",
    ),
    ("claude-code", call("Bash", script="make all"), "* Bash make all"),
    ("claude-code", call("AskUserQuestion", question="Which?", options=["A", "B"]), "- B"),
    ("claude-code", call("AskUserQuestion", questions={"question": "Which?"}), "Which?"),
    ("codex-cli", {"type": "error", "error": SAID}, "it is down"),
    ("codex-cli", ended(type="agent_message", content=[{"type": "text", "text": "hi!"}]), "hi!"),
    ("codex-cli", ended(type="reasoning", summary=["hi!"]), "~ hi!"),
    (
        "codex-cli",
        ended(type="command_execution", aggregated_output="out", exit_code=2),
        "failed with exit code 2 out",
    ),
    (
        "codex-cli",
        {"type": "item.started", "item": {"type": "command_execution", "command": ["make", "a b"]}},
        "* Bash make 'a b'",
    ),
]


@pytest.mark.parametrize(("provider", "event", "told"), ODD)
def test_an_event_of_an_odd_form_is_told_in_its_words(make_session, provider, event, told):
    session, line = make_session(provider=provider), events.own(event)
    kind = PROVIDERS[provider].classify(event)
    transcript.append([NewMessage(session.pk, provider, kind, line.raw)])
    assert told in " ".join(terminal(session).split())
    assert "Unknown event" not in words(page(session))


@pytest.mark.parametrize(
    "text",
    [
        '<task-notification id="3"><summary>It ended</summary></task-notification>',
        "<command-args>x</command-args><command-name>/cost</command-name>",
        "<ide_opened_file>The user opened x</ide_opened_file>",
        "<local-command-stdout>\x1b[1mBold\x1b[22m</local-command-stdout>",
    ],
)
def test_no_form_of_the_tools_words_is_a_prompt(make_session, text):
    session, event = make_session(), result({"type": "text", "text": text})
    transcript.append([NewMessage(session.pk, session.provider, "user", events.own(event).raw)])
    assert 'class="entry prompt"' not in page(session)
    assert "U+001B" not in terminal(session)


def said(text):
    block = {"type": "text", "text": text}
    return {"type": "assistant", "message": {"role": "assistant", "content": [block]}}


@pytest.mark.parametrize(
    ("texts", "answer", "shown"),
    [
        (["I read 421 files."], "42", 1),
        (["The answer.", "And a word more."], "The answer.", 0),
        (["The answer.", "And a word more."], "The answer.\n\nAnd a word more.", 0),
    ],
)
def test_an_answer_is_told_again_only_where_nobody_said_it(make_session, texts, answer, shown):
    session = make_session()
    stream = [*map(said, texts), {"type": "result", "subtype": "success", "result": answer}]
    kinds = [*("assistant" for _ in texts), "result"]
    told = zip(kinds, stream, strict=True)
    rows = [NewMessage(session.pk, session.provider, k, events.own(e).raw) for k, e in told]
    transcript.append(rows)
    assert page(session).count('class="entry text"') == len(texts) + shown
