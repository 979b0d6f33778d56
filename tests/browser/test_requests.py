"""What agents ask, answered in a browser: on one page, by keys, by two people, without scripts."""

import json
from datetime import datetime

import pytest

from tests.asked import bash, plan
from tests.asking import PLAN, TWO_QUESTIONS
from tests.browser.conftest import PASSWORD
from tests.process.site import directive, wait_for

pytestmark = pytest.mark.xdist_group("workspace")

ASK = """
import json, sys
from sessions_app.models import Session
from tests.asking import ask
asked = json.load(sys.stdin)
print(ask(Session.objects.get(pk=asked["session"]), asked["line"], prompt="Ask me.").pk)
"""
ASK_BEFORE_IT_IS_SAID = f"from tests import asking\nasking.append = lambda messages: None\n{ASK}"
SAY = """
import sys
from jobs_app.models import JobRequest
from sessions_app.transcript import NewMessage, append
rows = JobRequest.objects.filter(session=sys.stdin.read()).select_related("session")
append([NewMessage(r.session_id, r.session.provider, "system", r.content_data) for r in rows])
"""
PERSON = """
import sys
from django.contrib.auth.models import Permission, User
user = User.objects.create_user("ann", password=sys.stdin.read(), is_staff=True)
names = ["view_session", "view_sessionmessage", "answer_request"]
user.user_permissions.set(Permission.objects.filter(codename__in=names))
"""
CARD = ".request-card"


def ask(site, session, line, script=ASK):
    """Have the session's agent ask this; returns the request's id."""
    given = json.dumps({"session": session, "line": line}).encode()
    return site.manage("shell", "--verbosity=0", "-c", script, stdin=given).stdout.strip()


def answer_of(site, request):
    (row,) = site.rows("SELECT answer, answered_by FROM job_requests WHERE id = ?", request)
    return json.loads(row["answer"]) if row["answer"] else None


def open_session(watched, site, name, *lines):
    """A session whose agent asks these, opened; returns the page and the ids of the requests."""
    session = site.session(name)
    asked = [ask(site, session, line) for line in lines]
    watched.page.goto(site.page(session))
    watched.page.evaluate("window.isTheSamePage = true")
    return watched.page, asked


def assert_not_reloaded(page):
    assert page.evaluate("window.isTheSamePage") is True


def test_a_question_of_a_running_agent_comes_live_and_is_answered_in_place(
    running_site, browser_page, tmp_path
):
    session, go = running_site.session("live"), tmp_path / "go"
    page = browser_page.page
    page.goto(running_site.page(session))
    page.evaluate("window.isTheSamePage = true")
    running_site.submit(session, directive(before=[bash("make release")], wait_for=str(go)))
    page.wait_for_selector(f"{CARD}.open")
    assert "make release" in page.inner_text(CARD)
    assert page.inner_text("#session-status .badge") == "waits for you"
    assert page.title().startswith("(")
    page.click("text=Allow once")
    page.wait_for_selector(f"{CARD}.closed-answered")
    assert "admin allowed this once" in page.inner_text(CARD)
    go.touch()
    page.wait_for_selector(".entry.end")
    assert_not_reloaded(page)
    browser_page.assert_calm(running_site)


def test_a_card_takes_its_entrys_place_also_when_the_entry_comes_later(running_site, browser_page):
    page, session = browser_page.page, running_site.session("later")
    asked = [
        ask(running_site, session, bash(f"make {name}"), ASK_BEFORE_IT_IS_SAID)
        for name in ("one", "two", "three")
    ]
    page.goto(running_site.page(session))
    page.focus(f"#request-{asked[2]}")
    running_site.manage("shell", "--verbosity=0", "-c", SAY, stdin=session.encode())
    page.wait_for_selector(".entry.request >> nth=2", state="attached")
    page.wait_for_function("!document.querySelector('.entry.request')?.checkVisibility()")
    assert page.locator(".entry.request:visible").count() == 0
    assert page.locator(f"{CARD}:visible").count() == 3
    assert page.evaluate("document.activeElement.id") == f"request-{asked[2]}"


LIVE = 300
"""Milliseconds."""


def watch_for(page, selector):
    """Note when something that this selects first stands on the page."""
    page.evaluate(
        """selector => new MutationObserver((_, observer) => {
            if (!document.querySelector(selector)) return;
            window.seenAt = Date.now();
            observer.disconnect();
        }).observe(document.body, { childList: true, subtree: true })""",
        selector,
    )


def seen(page, selector):
    page.wait_for_selector(selector)
    return page.evaluate("window.seenAt")


def moment(site, request, column):
    (row,) = site.rows("SELECT * FROM job_requests WHERE id = ?", request)
    return datetime.fromisoformat(f"{row[column]}+00:00").timestamp() * 1000


def test_a_card_comes_and_changes_within_300_ms_of_the_commit(running_site, browser_page):
    session = running_site.session("fast")
    page = browser_page.page
    with page.expect_response("**/events/*"):
        page.goto(running_site.page(session))

    def times():
        """How long a page took to show a new request, and then its answer."""
        watch_for(page, f"{CARD}.open")
        asked = ask(running_site, session, bash("make"))
        came = seen(page, f"{CARD}.open") - moment(running_site, asked, "asked_at")
        watch_for(page, f"#request-{asked}:not(.open)")
        running_site.manage("answer_request", asked, "deny")
        shown = seen(page, f"#request-{asked}:not(.open)")
        return came, shown - moment(running_site, asked, "answered_at")

    came, changed = zip(*(times() for _ in range(3)), strict=True)
    assert min(came) < LIVE and min(changed) < LIVE  # a machine with other work has slow moments


def test_keys_answer_a_card_that_has_the_focus_and_no_other(running_site, browser_page):
    page, (first, second) = open_session(
        browser_page, running_site, "keys", bash("one"), bash("two", "two *")
    )
    page.keyboard.press("a")
    page.fill("#prompt textarea", "a d s")
    page.focus(f"#request-{first}")
    page.keyboard.press("Control+a")
    page.keyboard.press("d")
    page.wait_for_selector(f"#request-{first}:not(.open)")
    assert answer_of(running_site, first) == {"decision": "deny", "why": ""}
    assert page.evaluate("document.activeElement.id") == f"request-{first}"
    assert answer_of(running_site, second) is None
    page.focus(f"#request-{second}")
    page.keyboard.press("s")
    page.wait_for_selector(f"#request-{second}:not(.open)")
    assert answer_of(running_site, second)["rules"] == ["Bash(two *)"]
    assert page.input_value("#prompt textarea") == "a d s"
    assert_not_reloaded(page)
    browser_page.assert_calm(running_site)


def test_questions_are_answered_by_digits_and_words(running_site, browser_page):
    page, (asked,) = open_session(browser_page, running_site, "digits", TWO_QUESTIONS)
    page.focus(CARD)
    for key in ("2", "1", "2"):
        page.keyboard.press(key)
    page.fill("[name=question1_text]", "and a1 d2")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(f"{CARD}:not(.open)")
    answers = answer_of(running_site, asked)["answers"]
    assert answers["Which database?"] == ["PostgreSQL"]
    assert answers["Which features?"] == ["Login", "Search", "and a1 d2"]
    assert "and a1 d2" in page.inner_text(CARD)
    browser_page.assert_calm(running_site)


def test_a_plan_goes_back_with_words(running_site, browser_page):
    page, (asked,) = open_session(browser_page, running_site, "plan", plan(PLAN))
    assert page.locator(f"{CARD} em").inner_text() == "migration"
    page.focus(CARD)
    page.keyboard.press("d")
    page.keyboard.type("smaller steps")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(f"{CARD}:not(.open)")
    assert answer_of(running_site, asked) == {"decision": "deny", "why": "smaller steps"}
    browser_page.assert_calm(running_site)


def test_a_refused_answer_says_why_and_keeps_what_was_typed(running_site, browser_page):
    page, (asked,) = open_session(browser_page, running_site, "refused", bash("make"))
    page.click("text=Allow something else instead")
    page.fill("[name=changed]", "  ")
    page.fill("[name=why]", "because")
    page.click("text=Allow this instead")
    page.wait_for_selector(f"{CARD} .errornote")
    assert "Nothing is left of it" in page.inner_text(f"{CARD} .errornote")
    assert page.input_value("[name=why]") == "because"
    page.fill("[name=changed]", "make -n")
    page.click("text=Allow this instead")
    page.wait_for_selector(f"{CARD}:not(.open)")
    assert answer_of(running_site, asked)["input"] == {"command": "make -n"}
    assert_not_reloaded(page)
    browser_page.assert_calm(running_site)


def test_what_is_typed_survives_what_happens_meanwhile(running_site, browser_page):
    page, (first, second) = open_session(
        browser_page, running_site, "typing", bash("one"), bash("two")
    )
    page.fill(f"#request-{first} [name=why]", "I am still wri")
    page.click(f"#request-{second} >> text=Allow once")
    page.wait_for_selector(f"#request-{second}:not(.open)")
    assert page.input_value(f"#request-{first} [name=why]") == "I am still wri"
    browser_page.assert_calm(running_site)


def test_of_two_people_the_first_answers_and_both_see_it(running_site, open_page):
    running_site.manage("shell", "--verbosity=0", "-c", PERSON, stdin=PASSWORD.encode())
    admin, ann = open_page(), open_page()
    admin.log_in(running_site)
    ann.log_in(running_site, "ann")
    page, (asked,) = open_session(admin, running_site, "two people", bash("make"))
    ann.page.goto(page.url)
    ann.page.wait_for_selector(f"{CARD}.open")
    page.fill("[name=why]", "half a sentence")
    ann.page.click("text=Allow once")
    page.wait_for_selector(f"{CARD}:not(.open)")
    assert "ann allowed this once" in page.inner_text(CARD)
    assert "You had typed: half a sentence" in page.inner_text(CARD)
    assert answer_of(running_site, asked) == {"decision": "allow"}
    admin.assert_calm(running_site)
    ann.assert_calm(running_site)


def test_a_late_answer_gets_one_sentence(running_site, open_page):
    admin, late = open_page(), open_page()
    admin.log_in(running_site)
    late.log_in(running_site)
    page, (asked,) = open_session(admin, running_site, "late", bash("make"))
    late.page.route("**/events/*", lambda route: route.abort())
    late.page.goto(page.url)
    page.click("text=Allow once")
    page.wait_for_selector(f"{CARD}:not(.open)")
    late.page.click("text=Deny and stop")
    late.page.wait_for_selector(f"{CARD}:not(.open)")
    assert "admin has answered this already." in late.page.inner_text(CARD)
    assert answer_of(running_site, asked) == {"decision": "allow"}


def test_hostile_requests_are_shown_as_text_and_whole(running_site, browser_page):
    command = "echo '</pre><script>alert(1)</script>' \u202e" + "x " * 100_000 + "; rm -rf /"
    page, _ = open_session(browser_page, running_site, "hostile", bash(command))
    shown = page.text_content(f"{CARD} .literal >> nth=0")
    assert shown == command.replace("\u202e", "<U+202E>")
    assert page.locator(f"{CARD} script").count() == 0
    assert page.locator("text=Allow once").is_visible()
    browser_page.assert_calm(running_site)


def test_the_inbox_leads_to_the_card_and_its_keys(running_site, browser_page):
    session = running_site.session("inbox")
    page = browser_page.page
    page.goto(f"{running_site.url}/admin/")
    page.evaluate("window.isTheSamePage = true")
    asked = ask(running_site, session, bash("make from-the-inbox"))
    page.wait_for_selector("#inbox .row:has-text('make from-the-inbox')")
    assert_not_reloaded(page)
    assert page.title().startswith("(")
    page.click("#inbox >> text=make from-the-inbox")
    page.wait_for_selector(f"#request-{asked}:focus")
    page.keyboard.press("a")
    page.wait_for_selector(f"#request-{asked}:not(.open)")
    assert answer_of(running_site, asked) == {"decision": "allow"}
    browser_page.assert_calm(running_site)


def test_a_person_who_asked_for_it_is_notified_without_the_agents_words(running_site, open_page):
    watched = open_page(permissions=["notifications"])
    watched.page.add_init_script(
        """
        window.notified = [];
        window.Notification = class {
            static permission = "granted";
            static requestPermission = async () => "granted";
            constructor(title, options) { window.notified.push([title, options.body]); }
        };
        document.hasFocus = () => false;
        """
    )
    watched.log_in(running_site)
    page = watched.page
    page.click("text=Notify me")
    page.wait_for_selector("text=Notifications are on")
    ask(running_site, running_site.session("notified"), bash("secret words"))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait_for(lambda: page.evaluate("window.notified").count(NOTICE))
    assert "secret" not in str(page.evaluate("window.notified"))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert page.evaluate("window.notified").count(NOTICE) == 1


NOTICE = ["notified", "The agent asks for a permission."]


def test_an_answer_needs_no_scripts(running_site, open_page):
    watched = open_page(java_script_enabled=False)
    watched.log_in(running_site)
    session = running_site.session("no scripts")
    asked = ask(running_site, session, TWO_QUESTIONS)
    page = watched.page
    page.goto(running_site.page(session))
    page.click("text=SQLite")
    page.click("button:has-text('Answer')")
    assert "Choose or type an answer to 'Which features?'" in page.inner_text(f"{CARD} .errornote")
    assert page.is_checked("[name=question0][value='0']")
    page.click("text=Login")
    page.click("button:has-text('Answer')")
    assert "admin answered" in page.inner_text(CARD)
    assert answer_of(running_site, asked)["answers"]["Which features?"] == ["Login"]


def test_what_was_answered_after_the_login_had_expired_is_led_to_the_login(
    running_site, browser_page
):
    page, (asked,) = open_session(browser_page, running_site, "expired", bash("make"))
    page.fill("[name=why]", "typed before")
    page.context.clear_cookies(name="sessionid")
    page.click(f"{CARD} >> text=Deny and stop")
    page.wait_for_selector("#id_username")
    assert answer_of(running_site, asked) is None


@pytest.mark.parametrize("line", [bash("x" * 5000), TWO_QUESTIONS, plan("`" + "x" * 500 + "`")])
def test_cards_fit_a_phone(running_site, open_page, line):
    watched = open_page(viewport={"width": 390, "height": 844})
    watched.log_in(running_site)
    page, _ = open_session(watched, running_site, "narrow", line)
    page.wait_for_selector(CARD)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(f"{running_site.url}/admin/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.assert_calm(running_site)
