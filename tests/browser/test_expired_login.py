"""What was typed survives a login that came between."""

import pytest

from tests.browser.conftest import PASSWORD
from tests.process.site import directive, wait_for

pytestmark = pytest.mark.xdist_group("workspace")

TEXT = 'First line\n  second "line" <b>not bold</b>'


def expire(page):
    page.context.clear_cookies(name="sessionid")


def log_in_again(page):
    page.wait_for_selector("text=nothing was done")
    page.fill("#id_username", "admin")
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")


def is_back(page):
    page.wait_for_selector("text=What you typed is back, but not sent yet.")


def test_a_prompt_is_there_again_after_the_login_and_gone_once_it_is_sent(
    running_site, browser_page
):
    session = running_site.session("expired")
    page = browser_page.page
    page.goto(running_site.page(session))
    page.fill("#prompt textarea", TEXT)
    page.click("#prompt summary")
    page.fill("#next_model_name", "opus")
    expire(page)
    page.click("text=Queue prompt")
    log_in_again(page)
    is_back(page)
    assert page.url == running_site.page(session)
    assert page.input_value("#prompt textarea") == TEXT
    assert page.input_value("#next_model_name") == "opus"
    page.click("text=Queue prompt")
    page.wait_for_selector(".entry.prompt")
    wait_for(lambda: page.input_value("#prompt textarea") == "")
    page.reload()
    assert page.input_value("#prompt textarea") == ""
    browser_page.assert_calm(running_site)


def test_a_button_beside_an_unsent_prompt_loses_nothing(running_site, browser_page):
    session = running_site.session("beside")
    running_site.submit(session, directive(sleep=600))
    page = browser_page.page
    page.goto(running_site.page(session))
    page.wait_for_selector("#session-jobs button.stop")
    page.fill("#prompt textarea", TEXT)
    expire(page)
    page.click("#session-jobs button.stop")
    log_in_again(page)
    is_back(page)
    page.click("#session-jobs button.stop")
    page.wait_for_selector(".badge.cancelled")
    is_back(page)
    assert page.input_value("#prompt textarea") == TEXT
    browser_page.assert_calm(running_site)


def test_an_edited_job_is_there_again_after_the_login(running_site, browser_page):
    session = running_site.session("edited")
    running_site.submit(session, directive(sleep=600))
    job = running_site.submit(session, "The next one.")
    page = browser_page.page
    page.goto(f"{running_site.url}/admin/jobs_app/job/{job}/change/")
    page.fill("#id_prompt", TEXT)
    expire(page)
    page.click("[name=_save]")
    log_in_again(page)
    is_back(page)
    assert page.input_value("#id_prompt") == TEXT
    page.click("[name=_save]")
    page.wait_for_selector("text=was changed successfully")
    browser_page.assert_calm(running_site)


def test_a_page_older_than_the_login_keeps_its_text(running_site, browser_page):
    session = running_site.session("rotated")
    page = browser_page.page
    page.goto(running_site.page(session))
    page.fill("#prompt textarea", TEXT)
    page.context.clear_cookies()
    other = page.context.new_page()
    other.goto(f"{running_site.url}/admin/")
    other.fill("#id_username", "admin")
    other.fill("#id_password", PASSWORD)
    other.click("input[type=submit]")
    other.wait_for_selector("#dashboard")
    page.click("text=Queue prompt")
    page.click("text=Go back to the page")
    is_back(page)
    assert page.input_value("#prompt textarea") == TEXT
