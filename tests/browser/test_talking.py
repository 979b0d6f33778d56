"""What a page shows of an agent while it writes, and how it is told something or interrupted."""

import json
import sys

import pytest

from tests.browser.conftest import PASSWORD, RunningSite
from tests.process.conftest import migrated_data_directory  # noqa: F401 - a fixture
from tests.process.running import Up
from tests.process.site import ROOT, Database, wait_for

pytestmark = pytest.mark.xdist_group("talking")

TALKER = ROOT / "tests" / "fakes" / "talker.py"


@pytest.fixture(scope="module")
def running_site(tmp_path_factory, migrated_data_directory):  # noqa: F811
    """With an agent that writes what its prompt says."""
    directory = tmp_path_factory.mktemp("site")
    site = RunningSite(directory, Database(directory, migrated_data_directory))
    site.environment["POKECODE_CLAUDE_COMMAND"] = f"{sys.executable} {TALKER}"
    environment = {**site.environment, "POKECODE_ADMIN_PASSWORD": PASSWORD}
    with Up(directory / "home", environment=environment) as up:
        up.wait_until_ready()
        site.url = f"http://pokecode.localhost:{up.port}"
        yield site


@pytest.fixture
def go(tmp_path):
    """Paths that an agent waits for, until they are touched."""
    return lambda name: tmp_path / name


def talk(*steps):
    return f"TALK {json.dumps(steps, default=lambda path: {'wait': str(path)})}"


def open_session(site, watched, name, prompt):
    session = site.session(name)
    site.submit(session, prompt)
    watched.page.goto(site.page(session))
    return watched.page


def draft(page):
    return page.locator("#draft:visible")


def test_what_is_being_written_shows_until_its_message_takes_its_place(
    running_site, browser_page, go
):
    steps = talk(go("a"), "The answer ", go("b"), "is <b>this</b>\u202e.", go("c"), "/say", go("d"))
    page = open_session(running_site, browser_page, "written", steps)
    watch_for_doubles(page)
    assert page.locator("#draft").is_hidden()
    go("a").touch()
    page.wait_for_selector("#draft:has-text('The answer')")
    go("b").touch()
    page.wait_for_selector("#draft:has-text('The answer is <b>this</b><U+202E>.')")
    assert page.locator("#draft b").count() == 0
    assert page.inner_text("#announcement") == "The agent is writing."
    go("c").touch()
    page.wait_for_selector(".entry.text")
    assert page.locator("#draft").is_hidden()
    assert page.evaluate("window.seen.includes('both')") is False
    assert page.evaluate("window.seen.includes('neither')") is False
    go("d").touch()
    page.wait_for_selector(".badge.completed")
    browser_page.assert_calm(running_site)


WATCH_FOR_DOUBLES = """
window.seen = [];
new MutationObserver(() => {
    const written = !document.getElementById("draft").hidden;
    const said = document.querySelector("#transcript .entry.text") !== null;
    const begun = window.seen.length > 0;
    if (written && said) window.seen.push("both");
    else if (written || said) window.seen.push("one");
    else if (begun) window.seen.push("neither");
}).observe(document.querySelector(".conversation"), {
    subtree: true, childList: true, attributes: true, characterData: true,
});
"""


def watch_for_doubles(page):
    """Note after each update whether draft, message, both or none of them stand in the page."""
    page.evaluate(WATCH_FOR_DOUBLES)


def test_a_page_that_opens_in_the_middle_sees_it(running_site, browser_page, open_page, go):
    steps = talk("In the middle. ", go("a"), "More of it.", go("b"))
    page = open_session(running_site, browser_page, "middle", steps)
    page.wait_for_selector("#draft:has-text('In the middle.')")
    plain = open_page(java_script_enabled=False)
    plain.log_in(running_site)
    plain.page.goto(page.url)
    assert "In the middle." in draft(plain.page).inner_text()
    page.reload()
    page.wait_for_selector("#draft:has-text('In the middle.')")
    go("a").touch()
    page.wait_for_selector("#draft:has-text('In the middle. More of it.')")
    go("b").touch()
    page.wait_for_selector(".badge.completed")
    page.wait_for_selector("#draft", state="hidden")


def test_nothing_is_left_of_it_when_the_run_is_stopped(running_site, browser_page, go):
    page = open_session(running_site, browser_page, "stopped", talk("Never finished", go("a")))
    page.wait_for_selector("#draft:has-text('Never finished')")
    page.click("#session-jobs button.stop")
    page.wait_for_selector(".badge.cancelled")
    page.wait_for_selector("#draft", state="hidden")
    page.reload()
    assert page.locator("#draft").is_hidden()


def test_a_reader_who_scrolled_up_is_not_moved_by_what_is_written(running_site, browser_page, go):
    steps = talk("line\n" * 200, go("a"), {"repeat": 20}, "the end", go("b"))
    page = open_session(running_site, browser_page, "reader", steps)
    page.wait_for_selector("#draft:visible")
    wait_for(lambda: page.evaluate("scrollY") > 1000)
    page.mouse.move(400, 300)
    page.mouse.wheel(0, -500)
    wait_for(lambda: page.evaluate("innerHeight + scrollY + 300 < document.body.scrollHeight"))
    before = page.evaluate("scrollY")
    go("a").touch()
    page.wait_for_selector("#draft:has-text('the end')")
    assert page.evaluate("scrollY") == before
    go("b").touch()
    page.wait_for_selector(".badge.completed")


def test_a_word_told_now_is_read_and_stands_in_the_conversation_once(
    running_site, browser_page, go
):
    steps = talk("Working.", go("a"), "/read", "/say", go("b"))
    page = open_session(running_site, browser_page, "told", steps)
    page.wait_for_selector("#tell")
    page.evaluate("window.isTheSamePage = true")
    page.fill("#prompt textarea", "Use tabs.")
    page.click("#tell")
    page.wait_for_selector("#session-told :text('Told, not read yet')")
    assert page.input_value("#prompt textarea") == ""
    go("a").touch()
    page.wait_for_selector("#transcript .entry.prompt:has-text('Use tabs.')")
    page.wait_for_selector(".told", state="detached")
    assert page.locator(".entry.prompt:has-text('Use tabs.')").count() == 1
    assert page.evaluate("window.isTheSamePage") is True
    go("b").touch()
    page.wait_for_selector(".badge.completed")
    browser_page.assert_calm(running_site)


def test_a_word_that_the_agent_did_not_read_becomes_a_prompt_of_its_own(
    running_site, browser_page, go
):
    page = open_session(
        running_site, browser_page, "late", talk("Almost done.", go("a"), "/say", "/leave")
    )
    page.wait_for_selector("#tell")
    page.fill("#prompt textarea", talk("Second turn.", go("b")))
    page.click("#tell")
    page.wait_for_selector("#session-told :text('Told, not read yet')")
    go("a").touch()
    page.wait_for_selector("#session-told :text('it is a prompt of its own now')")
    page.wait_for_selector("#draft:has-text('Second turn.')")
    go("b").touch()
    page.wait_for_selector(".badge.completed")
    page.wait_for_selector(".told", state="detached")
    assert page.locator("#transcript .entry.prompt").count() == 2


def test_escape_interrupts_the_turn_but_not_what_a_person_writes(running_site, browser_page, go):
    page = open_session(running_site, browser_page, "interrupted", talk("On and on", go("a")))
    page.wait_for_selector("#draft:visible")
    page.fill("#prompt textarea", "half a thought")
    page.press("#prompt textarea", "Escape")
    page.fill("#prompt textarea", "")
    page.evaluate("window.isTheSamePage = true")
    assert page.locator("#interrupt").is_visible()
    page.press("#prompt textarea", "Escape")
    page.wait_for_selector(".badge.cancelled")
    assert (running_site.projects / "interrupted" / "interrupted").exists()
    assert "The agent's turn was stopped." in page.inner_text("#transcript")
    assert page.evaluate("window.isTheSamePage") is True
    browser_page.assert_calm(running_site)


def test_an_agent_is_told_and_interrupted_without_scripts(running_site, open_page, go):
    watched = open_page(java_script_enabled=False)
    watched.log_in(running_site)
    page = open_session(running_site, watched, "plain", talk("Plain.", go("a")))

    def is_working():
        page.reload()
        return page.locator("#tell").count()

    wait_for(is_working)
    page.fill("#prompt textarea", "Without scripts.")
    page.click("#tell")
    assert "Without scripts." in page.inner_text("#session-told")
    page.click("#interrupt")

    def is_ended():
        page.reload()
        return page.locator(".badge.completed").count()

    wait_for(is_ended)  # with the turn that was still to be made of what it was told
    assert (running_site.projects / "plain" / "interrupted").exists()
