"""The site below a path, behind a proxy that removes it: nothing leads out of that path."""

import http.client
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.cookiejar import CookieJar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

from tests.process.running import Up
from tests.process.site import ROOT, Site, wait_for

BELOW = "/code"
ADDRESS = re.compile(r'(?:href|src|action|data-[\w-]*)="([^"#]*/[^"#]*)"')


class Proxy(BaseHTTPRequestHandler):
    port = 0

    def do_GET(self) -> None:
        if not self.path.startswith(f"{BELOW}/"):
            self.send_error(404, "another application's path")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as link:
            headers = {**self.headers, "Connection": "close"}
            link.request(self.command, self.path.removeprefix(BELOW), body, headers)
            answer = link.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.end_headers()
            with suppress(OSError, http.client.IncompleteRead):  # either side is gone
                while piece := answer.read1():
                    self.wfile.write(piece)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def proxy(port: int) -> Iterator[str]:
    """The address at which a proxy serves what listens on the port."""
    handler = type("Proxy", (Proxy,), {"port": port})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{BELOW}/"
        finally:
            server.shutdown()


def check_addresses(browser: OpenerDirector, url: str) -> str:
    """Every address on the page is below the path, and its static files are there."""
    with browser.open(url, timeout=30) as answer:
        page, here = answer.read().decode(), answer.url
    assert urlsplit(here).path.startswith(f"{BELOW}/")
    addresses = {urljoin(here, found) for found in ADDRESS.findall(page)}
    own = {one for one in addresses if urlsplit(one).netloc == urlsplit(here).netloc}
    assert [one for one in own if not urlsplit(one).path.startswith(f"{BELOW}/")] == []
    static = [one for one in own if "/static/" in one]
    assert static
    for one in static:
        with browser.open(one, timeout=30) as answer:
            assert answer.status == 200
    return page


def test_pages_files_and_streams_of_up_are_below_the_path(site: Site):
    session = site.session()
    with (
        Up(
            site.directory / "home", f"--root-path={BELOW}", environment=site.environment
        ).wait_until_ready() as up,
        proxy(up.port) as base,
    ):
        assert f"through a proxy that serves it below {BELOW}" in up.text()
        browser = build_opener(HTTPCookieProcessor(CookieJar()))
        login = check_addresses(browser, base)
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', login)
        (then,) = re.findall(r'name="next" value="([^"]+)"', login)
        form = {"username": "admin", "password": up.password, "next": then}
        data = urlencode({**form, "csrfmiddlewaretoken": token}).encode()
        with browser.open(f"{base}admin/login/", data, timeout=30) as answer:
            assert answer.url == f"{base}admin/"
        check_addresses(browser, f"{base}admin/")
        page = check_addresses(browser, f"{base}admin/sessions_app/session/{session}/change/")
        (events,) = re.findall(r'data-events="([^"]+)"', page)
        with browser.open(urljoin(base, events), timeout=30) as stream:
            assert stream.readline() == b": following\n"
        assert up.get("/health/live") == "ok\n"


def command_of_the_readme() -> list[str]:
    (found,) = re.findall(r"^uvicorn (.*?[^\\])$", (ROOT / "README.md").read_text(), re.M | re.S)
    return [sys.executable, "-m", "uvicorn", *found.replace("\\\n", "").split()]


def test_the_same_with_the_readmes_uvicorn_alone(site: Site):
    log = site.directory / "uvicorn.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command_of_the_readme(), "--port=0", f"--root-path={BELOW}"],
            cwd=ROOT,
            env={**site.environment, "PYTHONWARNINGS": ""},
            stdout=stream,
            stderr=stream,
        )
    try:
        running = r"running on http://127\.0\.0\.1:(\d+)"
        found = wait_for(lambda: re.search(running, log.read_text()), what="the site is served")
        with proxy(int(found[1])) as base:
            check_addresses(build_opener(), base)
    finally:
        process.terminate()
        process.wait(30)
