"""A development server that an agent started gets no login, whatever its port."""

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


class Listener(HTTPServer):
    """Remembers the headers of every request."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.server.seen.append(dict(self.headers))
        self.send_response(200)
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
