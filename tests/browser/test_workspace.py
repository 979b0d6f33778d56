"""What a person does with a browser, on a real site with a real worker."""

import re

import pytest

from tests.process.site import directive, wait_for

pytestmark = pytest.mark.xdist_group("workspace")  # one site and one browser for all of these


def create_session(watched, site, name):
    """Create a session in the admin and open its page."""
    (site.projects / name).mkdir()
    page = watched.page
    page.goto(f"{site.url}/admin/")
    page.click("text=New session")
    page.fill("[name=project_path]", str(site.projects / name))
    page.select_option("[name=provider]", "claude-code")
    page.click("[name=_continue]")
    page.wait_for_selector("#workspace")
    return page


def queue_prompt(page, text):
    """Queue a prompt, and mark the page that comes so that a reload would show."""
    page.fill("#prompt textarea", text)
    page.click("text=Queue prompt")
    page.wait_for_load_state()
    page.evaluate("window.isTheSamePage = true")


def assert_not_reloaded(page):
    assert page.evaluate("window.isTheSamePage") is True


def test_a_prompt_is_written_and_its_answer_read_live(running_site, browser_page, tmp_path):
    page = create_session(browser_page, running_site, "first")
    go = tmp_path / "go"
    queue_prompt(page, f"Say hello. {directive(wait_for=str(go))}")
    page.wait_for_selector(".badge.processing")
    assert page.locator("#session-jobs button.stop").is_visible()
    go.touch()
    page.wait_for_selector(".entry.end")
    page.wait_for_selector(".badge.completed")
    assert "Say hello." in page.inner_text(".entry.prompt")
    assert page.locator(".entry.text").count() >= 1
    assert page.inner_text("#announcement") != ""
    assert_not_reloaded(page)
    browser_page.assert_calm(running_site)


def test_a_running_job_is_stopped_with_one_click(running_site, browser_page):
    page = create_session(browser_page, running_site, "stopped")
    queue_prompt(page, directive(sleep=600))
    page.click("#session-jobs button.stop")
    page.wait_for_selector(".badge.cancelled")
    browser_page.assert_calm(running_site)


def test_a_job_can_be_stopped_from_the_first_page(running_site, browser_page):
    page = create_session(browser_page, running_site, "dashboard")
    queue_prompt(page, f"Work for long. {directive(sleep=600)}")
    page.goto(f"{running_site.url}/admin/")
    page.click(".row:has-text('Work for long.') button")
    page.wait_for_selector(".badge.cancelled")
    browser_page.assert_calm(running_site)


def test_the_first_page_follows_by_itself(running_site, browser_page):
    session = running_site.session("followed")
    page = browser_page.page
    page.goto(f"{running_site.url}/admin/")
    page.evaluate("window.isTheSamePage = true")
    job = running_site.submit(session, f"Appear here. {directive(sleep=600)}")
    page.wait_for_selector(".row:has-text('Appear here.')")
    assert_not_reloaded(page)
    running_site.manage("cancel_jobs", job)
    browser_page.assert_calm(running_site)


def test_a_page_that_lost_its_connection_catches_up(running_site, browser_page):
    session = running_site.session("reconnected")
    page = browser_page.page
    page.route("**/events/*", lambda route: route.abort())
    page.goto(running_site.page(session))
    page.wait_for_selector("#connection:visible")
    running_site.append(session, *(("user", said(f"missed {n}.")) for n in range(3)))
    page.unroute("**/events/*")
    page.wait_for_selector("text=missed 2.")
    assert page.locator(".entry.prompt").count() == 3
    page.wait_for_selector("#connection", state="hidden")


def test_a_tab_that_nobody_looks_at_holds_no_connection_and_catches_up(running_site, browser_page):
    session = running_site.session("in the background")
    page = browser_page.page
    with page.expect_response("**/events/*"):
        page.goto(running_site.page(session))
    with page.expect_event("requestfailed", lambda request: "/events/" in request.url):
        look_away(page, True)
    running_site.append(session, ("user", said("seen later.")))
    look_away(page, False)
    page.wait_for_selector("text=seen later.")
    browser_page.assert_calm(running_site)


def look_away(page, hidden):
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def said(text):
    return f'{{"kind": "pokecode_user_message", "id": "1", "role": "user", "content": "{text}"}}'


def test_earlier_messages_are_put_in_front(running_site, browser_page):
    session = running_site.session("long")
    running_site.append(session, *(("user", said(f"number {n}.")) for n in range(150)))
    page = browser_page.page
    page.goto(running_site.page(session))
    page.click("#earlier")
    wait_for(lambda: page.locator(".entry.prompt").count() == 150)
    assert "number 0." in page.text_content(".entry.prompt >> nth=0")
    assert page.locator("#earlier").count() == 0
    browser_page.assert_calm(running_site)


def test_a_reader_who_scrolled_up_is_told_of_news_and_not_moved(running_site, browser_page):
    session = running_site.session("scrolled")
    running_site.append(session, *(("user", said(f"number {n}.")) for n in range(60)))
    page = browser_page.page
    page.goto(running_site.page(session))
    page.wait_for_selector("text=number 59.")
    wait_for(lambda: page.evaluate("scrollY") > 1000)
    page.mouse.move(400, 300)
    page.mouse.wheel(0, -100_000)
    wait_for(lambda: page.evaluate("scrollY") == 0)
    running_site.append(session, ("user", said("news.")))
    page.wait_for_selector("#newer:visible")
    assert page.inner_text("#newer") == "1 new below"
    page.click("#newer")
    page.wait_for_selector("#newer", state="hidden")


def test_everything_can_be_read_and_sent_without_scripts(running_site, open_page):
    watched = open_page(java_script_enabled=False)
    watched.log_in(running_site)
    page = create_session(watched, running_site, "plain")
    page.fill("#prompt textarea", "Say hello without scripts.")
    page.click("text=Queue prompt")

    def is_answered():
        page.reload()
        return page.locator(".entry.end").count()

    wait_for(is_answered)
    assert "Say hello without scripts." in page.inner_text(".entry.prompt")


def test_pages_fit_a_phone(running_site, open_page):
    session = running_site.session("narrow")
    running_site.append(session, ("user", said("x" * 300)))
    watched = open_page(viewport={"width": 390, "height": 844})
    watched.log_in(running_site)
    for address in (f"{running_site.url}/admin/", running_site.page(session)):
        watched.page.goto(address)
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.assert_calm(running_site)


def test_a_link_to_a_message_opens_the_rows_around_it(running_site, browser_page):
    session = running_site.session("linked")
    call = '{"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}}'
    content = f'{{"type": "assistant", "message": {{"role": "assistant", "content": [{call}]}}}}'
    running_site.append(session, ("assistant", content))
    page = browser_page.page
    page.goto(running_site.page(session))
    row = page.get_attribute(".entry.call", "id")
    assert re.fullmatch(r"m-[0-9a-f-]{36}", row)
    page.goto(f"{running_site.page(session)}#{row}")
    page.reload()
    page.wait_for_selector(".entry.call[open]")
