"""An agent's output is hostile: it runs nothing, loads nothing and hides nothing in a page."""

import json

import pytest

from tests.process.site import directive

pytestmark = pytest.mark.xdist_group("hostile")  # one site and one browser for all of these

MARKUP = (
    '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    "<svg onload=window.hacked=1></svg>\"'><iframe srcdoc='<script>parent.hacked=1</script>'>"
)
LINKS = (
    "[a](javascript:window.hacked=1) ![b](https://evil.example/?k=1) [c](//evil.example/) "
    "[d](vscode://file/x) [e](https://example.org/) <https://example.org/f>"
)
BIDI = "safe\u202egnp.exe"
HOSTILE = f"{MARKUP} {LINKS} {BIDI}"
TEXT = f"{LINKS}\n\n```html\n{HOSTILE}\n```\n\n{MARKUP}\n\n{BIDI}"
FOREIGN = "#content img[src=x], #content iframe, #content svg[onload]"


def assistant(*blocks):
    message = {"role": "assistant", "content": list(blocks)}
    return "assistant", json.dumps({"type": "assistant", "message": message})


def returned(tool_id, text, **options):
    block = {"type": "tool_result", "tool_use_id": tool_id, "content": text, "is_error": True}
    event = {"type": "user", "message": {"role": "user", "content": [block]}, **options}
    return "user", json.dumps(event)


def used(tool_id, name, **arguments):
    return {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}


EVENTS = [
    ("user", json.dumps({"kind": "pokecode_user_message", "role": "user", "content": HOSTILE})),
    ("error", json.dumps({"kind": "pokecode_error", "message": HOSTILE, "detail": HOSTILE})),
    assistant({"type": "text", "text": TEXT}),
    assistant({"type": "thinking", "thinking": HOSTILE}),
    assistant(used(HOSTILE, HOSTILE, **{HOSTILE: HOSTILE})),
    returned(HOSTILE, HOSTILE),
    assistant(used("b", "Bash", command=HOSTILE, description=HOSTILE)),
    returned("b", HOSTILE),
    assistant(used("e", "Edit", file_path=HOSTILE, old_string="x", new_string=HOSTILE)),
    ("system", json.dumps({"type": "system", "subtype": HOSTILE, "message": HOSTILE})),
    ("system", json.dumps({"type": HOSTILE, "x": HOSTILE})),
    ("system", HOSTILE),
    (
        "result",
        json.dumps(
            {
                "type": "result",
                "subtype": "success",
                "is_error": False,
                "result": HOSTILE,
                "permission_denials": [{"tool_name": HOSTILE, "tool_input": {"command": HOSTILE}}],
            }
        ),
    ),
]


@pytest.fixture(scope="module")
def hostile_session(running_site):
    """A session whose name, path, context, messages and jobs all attack the page."""
    project = "<img src=x onerror=window.hacked=1>\u202e"
    session = running_site.session(project, "--name", HOSTILE, "--context", HOSTILE)
    running_site.append(session, *EVENTS)
    job = running_site.submit(session, f"{HOSTILE} {directive(lines=[HOSTILE], exit=1)}")
    running_site.wait_for_status(job, "failed", "pending")
    return session


def pages(site, session):
    admin = f"{site.url}/admin"
    return [
        site.page(session),
        f"{admin}/",
        f"{admin}/sessions_app/session/",
        f"{admin}/sessions_app/sessionmessage/?session={session}",
        f"{admin}/jobs_app/job/?session={session}",
    ]


@pytest.mark.parametrize("with_policy", [True, False], ids=["with the policy", "without it"])
def test_nothing_runs_and_nothing_is_loaded_from_elsewhere(
    running_site, hostile_session, open_page, with_policy
):
    watched = open_page(bypass_csp=not with_policy)
    watched.log_in(running_site)
    page = watched.page
    for address in pages(running_site, hostile_session):
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        page.wait_for_load_state()
        assert page.evaluate("window.hacked") is None
        assert page.locator(FOREIGN).count() == 0
        watched.assert_calm(running_site)


def test_hostile_messages_that_arrive_live_run_nothing_either(running_site, browser_page):
    session = running_site.session("live-hostile")
    page = browser_page.page
    page.goto(running_site.page(session))
    page.wait_for_selector(".empty:visible")
    running_site.append(session, *EVENTS)
    page.wait_for_selector(".entry.end")
    assert page.evaluate("window.hacked") is None
    browser_page.assert_calm(running_site)


def test_only_web_links_are_links_and_they_send_no_referrer(
    running_site, hostile_session, browser_page
):
    page = browser_page.page
    page.goto(running_site.page(hostile_session))
    links = page.locator(".markdown a")
    found = links.evaluate_all("all => all.map(a => [a.getAttribute('href'), a.rel])")
    assert [href for href, _ in found] == [
        "https://evil.example/?k=1",  # of an image: to be followed, not to be loaded
        "https://example.org/",
        "https://example.org/f",
    ]
    assert all("noreferrer" in rel for _, rel in found)


def test_characters_that_turn_text_around_are_shown_by_their_code(
    running_site, hostile_session, browser_page
):
    page = browser_page.page
    for address in pages(running_site, hostile_session):
        page.goto(address)
        # What is to be edited is as it is; all other text shows what it hides.
        page.evaluate("document.querySelectorAll('input, textarea').forEach((e) => e.remove())")
        assert "\u202e" not in page.content()
    page.goto(running_site.page(hostile_session))
    assert "<U+202E>gnp.exe" in page.text_content("#transcript")
    assert "<U+202E>" in page.text_content(".session-header")
