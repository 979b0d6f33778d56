"""What a person sees of what agents ask, and what becomes of what is sent from there."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs_app import answers
from jobs_app.models import JobRequest
from pokecode_site.pages import cards, requests
from sessions_app.models import Session
from tests.asked import bash, claude, codex, plan
from tests.asking import PLAN, TWO_QUESTIONS, ask, shell
from tests.integration.admin_pages import said, staff, text, words

pytestmark = pytest.mark.django_db

SEES = ("sessions_app.view_session", "sessions_app.view_sessionmessage", "jobs_app.view_job")
ANSWERS = (*SEES, "jobs_app.answer_request")
ALLOW = 'value="allow"'


@pytest.fixture
def codex_session(make_session):
    return make_session("codex", provider="codex-cli")


def page_of(session):
    return reverse("admin:sessions_app_session_change", args=[session.pk])


def url_of(row, page="answer"):
    return reverse(f"admin:sessions_app_session_{page}", args=[row.session_id, row.pk])


def send(client, row, decision, **fields):
    return client.post(url_of(row), {"decision": decision, **fields}, follow=True)


def given(row):
    row.refresh_from_db()
    return row.answer


def shown(client, session):
    return text(client.get(page_of(session)))


# --- cards ----------------------------------------------------------------------


def test_a_command_stands_whole_with_its_buttons_where_it_was_asked(admin_client, session):
    row = ask(session, bash("make test && make lint", "make *", description="Run the tests"))
    page = shown(admin_client, session)
    assert "make test && make lint" in page and "Run the tests" in page
    assert "From then on without asking" in page and "Bash(make *)" in page
    assert page.count(f'id="request-{row.pk}"') == 1
    assert page.index('id="transcript"') < page.index(f"request-{row.pk}") < page.index('id="end"')
    assert ALLOW in page and 'value="allow for session"' in page and 'value="stop"' in page


def test_without_a_rule_there_is_nothing_to_allow_for_the_session(admin_client, session):
    ask(session, bash("make test"))
    assert "allow for session" not in shown(admin_client, session)


def test_a_rule_that_a_session_cannot_keep_is_not_offered(admin_client, session):
    ask(session, bash("echo a, b", "echo a, b", "),Bash(*"))
    assert "allow for session" not in shown(admin_client, session)


def test_hostile_text_is_visible_and_is_no_html(admin_client, session):
    ask(session, bash("echo \u202e</pre><script>alert(1)</script>\x1b[31m", "x\u202e*"))
    page = admin_client.get(page_of(session)).content.decode()
    assert "<script>alert" not in page
    assert "\u202e" not in page and "\x1b" not in page
    assert "&lt;U+202E&gt;&lt;/pre&gt;&lt;script&gt;" in page
    assert "&lt;U+001B&gt;[31m" in page


def test_a_plan_is_rendered_and_runs_nothing(admin_client, session):
    ask(session, plan(PLAN))
    page = admin_client.get(page_of(session)).content.decode()
    assert "<em>migration</em>" in page and "<script>alert" not in page
    assert 'value="approve"' in page and 'value="approve edits"' in page and "Send back" in page


def test_a_question_shows_its_choices(admin_client, session):
    ask(session, TWO_QUESTIONS)
    page = shown(admin_client, session)
    assert "Which database?" in page and "a file" in page
    assert page.count('type="radio" name="question0"') == 2
    assert page.count('type="checkbox" name="question1"') == 2


def test_what_leaves_the_sandbox_says_so(admin_client, codex_session):
    ask(codex_session, shell("touch /opt/x", reason="It must be there."))
    page = shown(admin_client, codex_session)
    assert "it runs outside the sandbox" in page and "It must be there." in page


def test_a_sub_agent_says_that_it_is_one(admin_client, session):
    ask(session, bash("ls", agent_id="a1"))
    assert "A sub-agent of Claude Code" in shown(admin_client, session)


def test_a_change_that_is_not_told_can_only_be_denied(admin_client, codex_session):
    ask(codex_session, codex("fileChange/requestApproval"))
    page = shown(admin_client, codex_session)
    assert "this can only be denied" in page
    assert ALLOW not in page and 'value="deny"' in page


def test_what_a_card_has_no_room_for_is_allowed_on_its_own_page_only(admin_client, session):
    command = "echo " + "x" * cards.SHOWN_ON_CARD
    row = ask(session, bash(command))
    page = shown(admin_client, session)
    assert ALLOW not in page and command not in page
    assert url_of(row, "request") in page
    whole = text(admin_client.get(url_of(row, "request")))
    assert command in whole and ALLOW in whole


def test_what_nobody_can_read_cannot_be_allowed(admin_client, session, monkeypatch):
    monkeypatch.setattr(requests, "SHOWN_ON_ITS_PAGE", 1000)
    monkeypatch.setattr(cards, "SHOWN_ON_ITS_PAGE", 1000)
    row = ask(session, bash("x" * 2000))
    whole = text(admin_client.get(url_of(row, "request")))
    assert "it can only be denied" in whole and ALLOW not in whole


def test_many_long_requests_make_no_endless_page(admin_client, session, monkeypatch):
    monkeypatch.setattr(requests, "SHOWN_IN_CONVERSATION", 5000)
    for _ in range(4):
        ask(session, bash("x" * 2000))
    page = shown(admin_client, session)
    assert page.count(ALLOW) == 2 and page.count("and answer there") == 2


def test_whoever_may_not_answer_sees_what_is_asked_and_why_not(session):
    ask(session, bash("make test"))
    page = shown(staff(*SEES), session)
    assert "make test" in page and "Answering needs the permission" in page
    assert ALLOW not in page and 'value="deny"' not in page


def test_whoever_may_not_read_messages_is_shown_no_request(session):
    row = ask(session, bash("make secret"))
    client = staff("sessions_app.view_session")
    assert "make secret" not in shown(client, session)
    assert client.get(url_of(row, "request")).status_code == 403
    assert send(client, row, "deny").status_code == 403
    assert given(row) is None


def test_requests_without_a_message_beside_them_stand_at_the_end(admin_client, session):
    row = ask(session, bash("make test"))
    session.messages.all().delete()
    page = shown(admin_client, session)
    assert page.index('id="requests"') < page.index(f'id="request-{row.pk}"')


# --- answers ----------------------------------------------------------------------


def test_an_answer_is_given_once_and_noted_with_who_and_what(session):
    row = ask(session, bash("make test"))
    client = staff(*ANSWERS)
    page = text(send(client, row, "allow"))
    assert given(row) == {"decision": "allow"}
    assert "allowed this once" in page and row.answered_by in page
    assert LogEntry.objects.get().get_change_message() == "Allowed this once: make test"


def test_a_late_answer_is_told_who_was_faster(session):
    row = ask(session, bash("make test"))
    row.allow(by="ann")
    response = send(staff(*ANSWERS), row, "deny")
    assert said(response) == ["ann has answered this already."]
    assert given(row) == {"decision": "allow"}
    assert not LogEntry.objects.exists()


def test_allowed_for_the_session_adds_exactly_the_rules_shown(admin_client, session):
    row = ask(session, bash("make test", "make *"))
    send(admin_client, row, "allow for session")
    assert given(row)["rules"] == ["Bash(make *)"]
    assert Session.objects.get(pk=session.pk).allowed_tools == ["Bash(make *)"]


def test_another_command_may_be_allowed_instead(admin_client, session):
    line = claude("Bash", {"command": "make all", "timeout": 5})
    row = ask(session, line)
    page = text(send(admin_client, row, "allow changed", changed="make\r\ntest"))
    assert given(row)["input"] == {"command": "make\ntest", "timeout": 5}
    assert "allowed this, changed" in page and "Allowed instead of what was asked" in page


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ("", "Nothing is left of it"),
        ("{", "is no JSON any more"),
        ("[]", "must be an object"),
        ("{}", "must be an object"),
        ('{"limit": "5"}', "'limit' must be a number"),
    ],
)
def test_a_changed_input_of_the_wrong_shape_is_refused(admin_client, session, changed, sentence):
    row = ask(session, claude("mcp__db__query", {"sql": "select 1", "limit": 5}))
    page = text(send(admin_client, row, "allow changed", changed=changed))
    assert sentence in page
    assert given(row) is None


def test_what_was_typed_comes_back_with_the_refusal(admin_client, session):
    row = ask(session, claude("mcp__db__query", {"sql": "select 1", "limit": 5}))
    page = text(send(admin_client, row, "allow changed", changed="{typed", why="\nfirst, look"))
    assert "{typed" in page and '<details class="change" open>' in page
    assert "\n\nfirst, look</textarea>" in page


def test_a_command_with_hidden_characters_is_edited_as_json(admin_client, session):
    ask(session, bash("echo \u202ex"))
    assert '"command": "echo \\u202ex"' in shown(admin_client, session)


def test_a_denial_carries_its_words(admin_client, session):
    row = ask(session, bash("rm -rf build"))
    page = text(send(admin_client, row, "deny", why="Keep it."))
    assert given(row) == {"decision": "deny", "why": "Keep it."}
    assert "denied this" in page and "Keep it." in page


def test_denied_and_stopped(admin_client, session):
    row = ask(session, bash("rm -rf build"))
    send(admin_client, row, "stop")
    assert given(row) == {"decision": "stop"}


@pytest.mark.parametrize(
    ("decision", "mode"), [("approve", "default"), ("approve edits", "acceptEdits")]
)
def test_a_plan_is_approved_with_how_edits_go_on(admin_client, session, decision, mode):
    row = ask(session, plan(PLAN))
    page = text(send(admin_client, row, decision))
    assert given(row) == {"decision": "allow", "mode": mode}
    assert "approved the plan" in page


def test_questions_take_choices_and_own_words(admin_client, session):
    row = ask(session, TWO_QUESTIONS)
    page = text(
        send(
            admin_client,
            row,
            "reply",
            question0_text="DuckDB",
            question1=["0", "1"],
            question1_text="and undo",
        )
    )
    assert given(row)["answers"] == {
        "Which database?": ["DuckDB"],
        "Which features?": ["Login", "Search", "and undo"],
    }
    assert "Login, Search, and undo" in page


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"question0": "0"}, "Choose or type an answer to 'Which features?'"),
        ({"question0": "9", "question1": "0"}, "was not offered"),
        ({"question0": ["0", "1"], "question1": "0"}, "Choose one answer"),
        ({"question0": "0", "question0_text": "x", "question1": "0"}, "not both"),
        ({"question0": "0", "question1_text": "x" * 200_000}, "too long"),
    ],
)
def test_a_wrong_reply_is_refused_and_nothing_is_lost(admin_client, session, sent, sentence):
    row = ask(session, TWO_QUESTIONS)
    page = text(send(admin_client, row, "reply", **sent))
    assert sentence in page
    assert given(row) is None
    assert 'value="0" checked' in page or "9" in sent["question0"]


@pytest.mark.parametrize("decision", ["", "sudo", "reply", "approve"])
def test_an_answer_of_another_kind_is_refused(admin_client, session, decision):
    row = ask(session, bash("ls"))
    send(admin_client, row, decision)
    assert given(row) is None


def test_a_request_is_answered_in_its_own_session_only(admin_client, session, make_session):
    row = ask(session, bash("ls"))
    other = reverse("admin:sessions_app_session_answer", args=[make_session("two").pk, row.pk])
    assert admin_client.post(other, {"decision": "allow"}).status_code == 404
    assert given(row) is None


def test_an_answer_needs_a_post(admin_client, session):
    assert admin_client.get(url_of(ask(session, bash("ls")))).status_code == 405


@pytest.mark.parametrize(
    ("why", "sentence"),
    [("withdrawn", "The agent took this back"), ("run ended", "The job ended before anybody")],
)
def test_a_closed_request_says_why_and_takes_no_answer(admin_client, session, why, sentence):
    row = ask(session, bash("ls"))
    JobRequest.objects.update(closed_at=timezone.now(), closed_why=why)
    page = shown(admin_client, session)
    assert sentence in page and ALLOW not in page
    assert "This request is closed" in said(send(admin_client, row, "allow"))[0]


def test_a_script_gets_the_card_and_the_reason(admin_client, session):
    row = ask(session, TWO_QUESTIONS)
    json_please = {"Accept": "application/json"}
    refused = admin_client.post(url_of(row), {"decision": "reply"}, headers=json_please).json()
    assert "Choose or type" in refused["error"] and 'data-state="open"' in refused["card"]
    answers.reply(row, {q.key: q.choices[0].label for q in row.asked.questions}, by="ann")
    late = admin_client.post(url_of(row), {"decision": "deny"}, headers=json_please).json()
    assert late["error"] == "ann has answered this already."
    assert late["error"] in late["card"] and 'data-state="answered"' in late["card"]


def test_a_secret_answer_is_not_shown(admin_client, codex_session):
    asked = {"id": "q", "question": "Token?", "header": "", "isSecret": True, "options": []}
    row = ask(codex_session, codex("tool/requestUserInput", questions=[asked]))
    page = text(send(admin_client, row, "reply", question0_text="hunter2"))
    assert given(row)["answers"] == {"q": ["hunter2"]}
    assert "hunter2" not in page


# --- how much is read -----------------------------------------------------------


def pages(session):
    return [
        page_of(session),
        reverse("admin:index"),
        reverse("admin:jobs_app_jobrequest_changelist"),
    ]


def queries(client, url):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_many_requests_take_no_more_queries_than_few(admin_client, session):
    for number in range(2):
        ask(session, bash(f"make {number}"))
    few = [queries(admin_client, url) for url in pages(session) * 2][3:]
    for number in range(8):
        ask(session, bash(f"make {number}"))
    assert [queries(admin_client, url) for url in pages(session)] == few


# --- the inbox ----------------------------------------------------------------------


def test_the_inbox_shows_all_that_waits_oldest_first(admin_client, session, make_session):
    ask(session, bash("make \u202efirst"))
    ask(make_session("two"), plan(PLAN))
    page = words(admin_client.get(reverse("admin:index")))
    assert page.index("make <U+202E>first") < page.index("Move to SQLite")
    assert "Needs you" in page and "2 waiting for you" in " ".join(page.split())


def test_an_empty_inbox_collapses(admin_client):
    page = text(admin_client.get(reverse("admin:index")))
    assert "Needs you" not in page and '<div id="inbox"' in page


def test_every_page_counts_what_waits(session):
    client = staff(*ANSWERS)
    listed = reverse("admin:jobs_app_job_changelist")
    assert "<title>(" not in text(client.get(listed))
    ask(session, bash("ls"))
    page = text(client.get(listed))
    assert "<title>(1) " in page and 'id="needs-you"' in page


def test_whoever_may_not_answer_is_not_bothered(session):
    ask(session, bash("make secret"))
    client = staff(*SEES)
    page = text(client.get(reverse("admin:index")))
    assert "make secret" not in page and "needs-you" not in page
    assert client.get(reverse("admin:needs_you")).json() == {"count": "", "newest": []}


def test_the_count_is_one_query_in_the_index_of_what_is_open(session):
    ask(session, bash("ls"))
    client = staff(*ANSWERS)
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("admin:jobs_app_job_changelist"))
    counting = [q["sql"] for q in queries if "COUNT(*)" in q["sql"] and "job_requests" in q["sql"]]
    assert len(counting) == 1
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {counting[0]}")
        assert "idx_job_requests_open" in str(cursor.fetchall())


def test_a_notification_holds_nothing_that_an_agent_wrote(admin_client, session):
    row = ask(session, bash("make secret"))
    told = admin_client.get(reverse("admin:needs_you"))
    assert "secret" not in told.content.decode()
    (newest,) = told.json()["newest"]
    assert newest["id"] == row.pk and newest["title"] == session.name
    assert newest["url"] == f"{page_of(session)}#request-{row.pk}"


def test_a_huge_request_is_not_read_for_its_line(admin_client, session):
    ask(session, bash("x" * 1_500_000))
    assert "Bash: 1,500," in words(admin_client.get(reverse("admin:index")))


def test_a_parked_job_is_said_to_wait_for_a_person(admin_client, session):
    row = ask(session, bash("ls"), prompt="Look around.")
    waits = "waits for you"
    assert waits in shown(admin_client, session)
    assert waits in text(admin_client.get(reverse("admin:jobs_app_job_changelist")))
    row.deny(by="ann")
    assert waits not in shown(admin_client, session)
    assert waits not in text(admin_client.get(reverse("admin:jobs_app_job_changelist")))
