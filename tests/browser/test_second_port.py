"""A development server that an agent started gets no login, whatever its port."""

import itertools
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.process.running import Up

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install playwright"
)
CHROMIUM = shutil.which("chromium")

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium")


NAMES = ("localhost", "127.0.0.1", "pokecode.localhost", "pokecode-0.localhost")


class Listener(HTTPServer):
    """Remembers the headers of every request."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    """Sends a browser on to other names of its own, one after the other."""

    server: Listener

    def do_GET(self) -> None:
        self.server.seen.append(dict(self.headers))
        place = self.path.strip("/")
        following = dict(itertools.pairwise(NAMES)).get(place)
        self.send_response(302 if following else 200)
        if following:
            self.send_header("Location", f"http://{following}:{self.server.port}/{following}")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def page():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_the_login_made_under_a_shared_name_is_sent_to_no_other_port(tmp_path, listener, page):
    with Up(tmp_path) as up:
        up.wait_until_ready()
        page.goto(f"http://localhost:{up.port}/admin/")
        assert page.url.startswith(f"http://pokecode.localhost:{up.port}/admin/login/")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", up.password)
        page.click("[type=submit]")
        page.wait_for_url(f"http://pokecode.localhost:{up.port}/admin/")
        assert {cookie["name"] for cookie in page.context.cookies()} >= {"sessionid"}
        for host in ("localhost", "127.0.0.1"):
            page.goto(f"http://{host}:{listener.port}/")
    assert len(listener.seen) >= 2
    assert not any("Cookie" in headers for headers in listener.seen)


def test_under_a_private_name_no_redirect_leads_a_login_to_another_port(tmp_path, listener, page):
    with Up(tmp_path, environment={"POKECODE_PRIVATE_NAME": "1"}) as up:
        up.wait_until_ready()
        assert page.goto(f"http://localhost:{up.port}/admin/").status == 400
        assert up.name not in page.content()
        page.goto(f"http://{up.name}:{up.port}/admin/")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", up.password)
        page.click("[type=submit]")
        page.wait_for_selector("#dashboard")
        assert {cookie["name"] for cookie in page.context.cookies()} >= {"sessionid"}
        page.goto(f"http://localhost:{listener.port}/localhost")
        page.wait_for_url(f"http://{NAMES[-1]}:{listener.port}/{NAMES[-1]}")
        assert {headers["Host"].partition(":")[0] for headers in listener.seen} >= set(NAMES)
        assert not any("Cookie" in headers for headers in listener.seen)
        assert up.name not in str(listener.seen)
        page.goto(f"http://{up.name}:{up.port}/admin/")
        page.wait_for_selector("#dashboard")
