"""Images of a prompt in a real browser: pasted, dropped, chosen, removed, sent, read again."""

import hashlib
import os

import pytest

from tests.browser.test_expired_login import expire, is_back, log_in_again
from tests.browser.test_workspace import create_session
from tests.pictures import SVG, png
from tests.process.site import wait_for

pytestmark = pytest.mark.xdist_group("prompt_images")  # one site and one browser for all of these

GIVE = """
([type, bytes, kind]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "shot.png", { type: kind }));
  const name = type === "paste" ? "clipboardData" : "dataTransfer";
  const Kind = type === "paste" ? ClipboardEvent : DragEvent;
  const event = new Kind(type, { bubbles: true, cancelable: true, [name]: data });
  document.querySelector("#prompt textarea").dispatchEvent(event);
}
"""
FIRST, SECOND, THIRD = (png(120, 80, seed) for seed in (1, 2, 3))


def give(page, way, content, kind="image/png"):
    """Paste or drop a file on the prompt."""
    page.evaluate(GIVE, [way, list(content), kind])


def choose(page, *contents):
    names = [f"picture{number}.png" for number in range(len(contents))]
    page.set_input_files(
        "#prompt input[type=file]",
        [
            {"name": name, "mimeType": "image/png", "buffer": content}
            for name, content in zip(names, contents, strict=True)
        ],
    )


def wait_for_previews(page, count):
    page.wait_for_function(
        "(count) => [...document.querySelectorAll('.prompt-images img')]"
        ".filter((image) => image.complete && image.naturalWidth === 120).length === count",
        arg=count,
    )


def hashes(site):
    return {path.name[:64] for path in (site.database.data_directory / "images").iterdir()}


def hash_of(content):
    return hashlib.sha256(content).hexdigest()


def test_images_are_pasted_dropped_chosen_removed_and_sent(running_site, browser_page):
    page = create_session(browser_page, running_site, "images")
    page.fill("#prompt textarea", "Look at these.")
    give(page, "paste", FIRST)
    wait_for_previews(page, 1)
    give(page, "drop", SECOND)
    wait_for_previews(page, 2)
    choose(page, THIRD, THIRD)  # the same picture twice is one
    wait_for_previews(page, 3)
    page.click(".prompt-images li:nth-child(2) button")
    wait_for_previews(page, 2)
    page.click("button:has-text('Queue prompt')")
    page.wait_for_selector(".entry.prompt img")
    shown = page.locator(".entry.prompt img")
    assert shown.count() == 2
    loaded = "(images) => images.every((image) => image.complete && image.naturalWidth === 120)"
    wait_for(lambda: shown.evaluate_all(loaded))
    wait_for(lambda: page.locator(".prompt-images img").count() == 0)
    assert page.input_value(".prompt-images input[type=text]") == ""
    assert {hash_of(FIRST), hash_of(THIRD)} <= hashes(running_site)
    browser_page.assert_calm(running_site)


def test_what_is_no_image_is_said_at_once_and_no_text_is_lost(running_site, browser_page):
    page = create_session(browser_page, running_site, "refused")
    page.fill("#prompt textarea", "Look at this.")
    give(page, "drop", SVG, "image/svg+xml")
    page.wait_for_selector(".prompt-images .said:has-text('send a PNG, JPEG, GIF or WebP')")
    give(page, "paste", SVG)  # which claims to be a PNG: the server looks at its bytes
    page.wait_for_selector(".prompt-images .said:has-text('send a PNG, JPEG, GIF or WebP')")
    choose(page, FIRST + os.urandom(5_300_000))
    page.wait_for_selector(".prompt-images .said:has-text('over 5 MB')")
    assert page.input_value("#prompt textarea") == "Look at this."
    assert page.locator(".prompt-images li").count() == 0
    # The browser itself notes the answer 400 in its console.
    browser_page.complaints = [one for one in browser_page.complaints if "400" not in one]
    browser_page.assert_calm(running_site)


def test_a_prompt_that_is_sent_too_early_waits_for_its_images(running_site, browser_page):
    page = create_session(browser_page, running_site, "early")
    held = []
    page.route("**/job/images/", lambda route: held.append(route))
    page.fill("#prompt textarea", "Look when it is there.")
    give(page, "paste", FIRST)
    page.wait_for_selector(".prompt-images progress")
    page.click("button:has-text('Queue prompt')")
    page.wait_for_selector(".prompt-images .said:has-text('as soon as its images are sent')")
    assert page.locator(".entry.prompt").count() == 0
    held[0].continue_()
    page.wait_for_selector(".entry.prompt img")
    assert "Look when it is there." in page.inner_text(".entry.prompt")
    browser_page.assert_calm(running_site)


def test_a_site_that_does_not_answer_keeps_the_prompt_back(running_site, browser_page):
    page = create_session(browser_page, running_site, "cut")
    held = []
    page.route("**/job/images/", lambda route: held.append(route))
    page.fill("#prompt textarea", "Do not lose me.")
    give(page, "paste", FIRST)
    page.wait_for_selector(".prompt-images progress")
    page.click("button:has-text('Queue prompt')")
    held[0].abort()
    page.wait_for_selector(".prompt-images .said:has-text('is not queued yet')")
    assert page.input_value("#prompt textarea") == "Do not lose me."
    assert page.locator(".entry.prompt").count() == 0


def test_a_text_that_has_a_picture_too_is_pasted_as_text(running_site, browser_page):
    page = create_session(browser_page, running_site, "both")
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.setData("text/plain", "cells");
          data.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
          const event = new ClipboardEvent("paste", {
            bubbles: true, cancelable: true, clipboardData: data,
          });
          window.isTaken = !document.querySelector("#prompt textarea").dispatchEvent(event);
        }""",
        list(FIRST),
    )
    assert page.evaluate("window.isTaken") is False
    assert page.locator(".prompt-images li").count() == 0


def test_a_prompt_is_queued_from_its_own_page_with_an_image(running_site, browser_page, tmp_path):
    session = running_site.session("edited")
    (tmp_path / "a.png").write_bytes(FIRST)
    page = browser_page.page
    page.goto(f"{running_site.url}/admin/jobs_app/job/add/?session={session}")
    page.fill("[name=prompt]", "Look")
    page.set_input_files(".prompt-images input[type=file]", str(tmp_path / "a.png"))
    wait_for_previews(page, 1)
    page.click("[name=_save]")
    page.goto(running_site.page(session))
    page.wait_for_selector(".entry.prompt img")
    browser_page.assert_calm(running_site)


def test_files_are_sent_without_scripts(running_site, open_page):
    watched = open_page(java_script_enabled=False)
    watched.log_in(running_site)
    page = create_session(watched, running_site, "plain images")
    page.fill("#prompt textarea", "Look without scripts.")
    choose(page, FIRST, SVG)
    page.click("button:has-text('Queue prompt')")
    page.wait_for_selector("text=Image 2 of 2: This is no image that agents read")
    assert page.locator(".prompt-images img").count() == 1
    page.click("button:has-text('Queue prompt')")

    def is_shown():
        page.reload()
        return page.locator(".entry.prompt img").count()

    wait_for(is_shown)
    assert "Look without scripts." in page.inner_text(".entry.prompt")


def test_images_are_there_again_after_a_login_that_came_between(running_site, browser_page):
    session = running_site.session("expired")
    page = browser_page.page
    page.goto(running_site.page(session))
    page.fill("#prompt textarea", "Look again.")
    give(page, "paste", FIRST)
    wait_for_previews(page, 1)
    expire(page)
    give(page, "paste", SECOND)
    page.wait_for_selector(".prompt-images .said:has-text('your login has ended')")
    page.click("button:has-text('Queue prompt')")
    page.wait_for_selector("#id_password")
    log_in_again(page)
    is_back(page)
    assert page.input_value("#prompt textarea") == "Look again."
    wait_for_previews(page, 1)
    page.click("button:has-text('Queue prompt')")
    page.wait_for_selector(".entry.prompt img")
    assert page.locator(".entry.prompt img").count() == 1


def test_after_a_mistake_the_next_prompt_begins_without_images(running_site, browser_page):
    page = create_session(browser_page, running_site, "mistake")
    page.fill("#prompt textarea", "Look.")
    give(page, "paste", FIRST)
    wait_for_previews(page, 1)
    page.click("#prompt summary")
    page.fill("#next_model_name", "not a model")
    page.click("button:has-text('Queue prompt')")
    page.wait_for_selector("#prompt .errornote")
    wait_for_previews(page, 1)
    page.fill("#next_model_name", "")
    page.click("button:has-text('Queue prompt')")
    page.wait_for_selector(".entry.prompt img")
    wait_for(lambda: page.locator(".prompt-images img").count() == 0)
    assert page.input_value("#prompt textarea") == ""
    browser_page.assert_calm(running_site)


def test_an_archived_session_has_no_field_for_them(running_site, browser_page):
    session = running_site.session("archived")
    code = f"from sessions_app.models import Session as S; S.objects.filter(pk={session!r})"
    running_site.manage("shell", "--verbosity=0", "-c", f"{code}.update(state='inactive')")
    page = browser_page.page
    page.goto(running_site.page(session))
    page.wait_for_selector("text=This session is archived")
    assert page.locator(".prompt-images").count() == 0
    browser_page.assert_calm(running_site)
