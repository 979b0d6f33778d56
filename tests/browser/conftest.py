"""A whole PokéCode as `up` starts it, with the fake agent, and a real browser that watches it."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.conftest import migrated_data_directory  # noqa: F401 - a fixture
from tests.process.running import Up
from tests.process.site import Database, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = os.environ.get("POKECODE_TEST_CHROMIUM") or shutil.which("chromium")
PASSWORD = "correct horse battery"

APPEND = """
import json, sys
from sessions_app import transcript
from sessions_app.models import Session
rows = json.load(sys.stdin)
session = Session.objects.get(pk=rows["session"])
transcript.append(
    [transcript.NewMessage(session.pk, session.provider, *row) for row in rows["messages"]]
)
"""

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(e.blockedURI));
"""


class RunningSite(Site):
    """A site that serves pages and runs jobs; `url` is where."""

    url: str

    def append(self, session: str, *messages: tuple[str, str]) -> None:
        """Store (type, content) messages in a session."""
        rows = {"session": session, "messages": messages}
        self.manage("shell", "--verbosity=0", "-c", APPEND, stdin=json.dumps(rows).encode())

    def page(self, session: str) -> str:
        return f"{self.url}/admin/sessions_app/session/{session}/change/"


@dataclass
class Watched:
    """A page, and everything that should not have happened in it."""

    page: "Page"
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def note(self, message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def log_in(self, site: RunningSite, name: str = "admin") -> None:
        self.page.goto(f"{site.url}/admin/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("input[type=submit]")
        self.page.wait_for_selector("#dashboard")

    def assert_calm(self, site: RunningSite) -> None:
        """No error, no violation of the policy, no request to anywhere else."""
        assert self.complaints == []
        assert self.page.evaluate("window.violations") == []
        assert [url for url in self.requests if not url.startswith(site.url)] == []


@pytest.fixture(scope="module")
def running_site(tmp_path_factory, migrated_data_directory) -> Iterator[RunningSite]:  # noqa: F811
    directory = tmp_path_factory.mktemp("site")
    site = RunningSite(directory, Database(directory, migrated_data_directory))
    environment = {**site.environment, "POKECODE_ADMIN_PASSWORD": PASSWORD}
    with Up(directory / "home", environment=environment) as up:
        up.wait_until_ready()
        site.url = f"http://pokecode.localhost:{up.port}"
        yield site


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """Closed with its module: while it is open, this thread has an event loop that runs."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: pip install playwright"
    )
    if not CHROMIUM or not Path(CHROMIUM).exists():
        pytest.skip("Chromium is missing: apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium) -> Iterator[Callable[..., Watched]]:
    """Opens watched pages; the options are those of a browser context."""
    contexts = []

    def open_page(**options: Any) -> Watched:
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(20_000)
        context.add_init_script(WATCH)
        watched = Watched(context.new_page())
        page = watched.page
        page.on("request", lambda request: watched.requests.append(request.url))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
        page.on("console", watched.note)
        return watched

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def browser_page(open_page, running_site) -> Watched:
    """A page of a logged-in browser."""
    watched = open_page()
    watched.log_in(running_site)
    return watched
