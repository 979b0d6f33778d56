"""The site as it is served: what visitors and attackers reach through a real socket."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote, urlencode

import pytest

from tests.process.running import Up
from tests.process.site import Site, wait_for


@pytest.fixture
def up(site: Site) -> Iterator[Up]:
    with Up(site.directory / "home", environment=site.environment) as running:
        yield running.wait_until_ready()


def request(up: Up, path: str, body: str | None = None, **headers: str) -> http.client.HTTPResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        named["Content-Type"] = "application/x-www-form-urlencoded"
    with closing(http.client.HTTPConnection("127.0.0.1", up.port, timeout=30)) as connection:
        connection.request("GET" if body is None else "POST", path, body, named)
        response = connection.getresponse()
        response.read()
    return response


def try_password(up: Up, password: str, **headers: str) -> int:
    token = "a" * 32
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token}
    cookie = f"csrftoken={token}"
    return request(up, "/admin/login/", urlencode(form), Cookie=cookie, **headers).status


def test_a_guesser_cannot_unlock_the_login_with_forged_headers(up):
    statuses = [
        try_password(up, "wrong", X_Forwarded_For=f"198.51.100.{number}") for number in range(6)
    ]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    forged = {"X_Forwarded_For": "203.0.113.1", "Forwarded": "for=203.0.113.1"}
    assert try_password(up, up.password, **forged) == 429


@pytest.mark.parametrize("path", ["/", "/admin/", "/static/admin/css/base.css"])
def test_a_rebound_host_name_is_refused(up, path):
    response = request(up, path, Host="evil.example")
    assert response.status == 400
    assert "'none'" in response.headers["Content-Security-Policy"]


def test_the_server_does_not_say_what_it_is_made_of(up):
    headers = request(up, "/admin/login/").headers
    assert "Server" not in headers
    assert "X-Powered-By" not in headers


def test_a_request_makes_one_line_whatever_its_path_holds(up):
    before = len(up.text().splitlines())
    forged = '/no\nwhere\r{"level": "info"}\x1b[2J\u2028\x9b'
    request(up, quote(forged))
    request(up, "/the-end")
    wait_for(lambda: "/the-end" in up.text(), what=up.text())
    lines = up.text().splitlines()[before:]
    assert len(lines) == 2
    assert lines[0].isascii() and lines[0].isprintable()
    assert json.loads(lines[0])["level"] == "warning"


def test_neither_a_prompt_nor_a_search_is_logged(site, up):
    session = site.session()
    site.submit(session, "a secret-prompt")
    visitor = up.log_in()
    up.get("/admin/sessions_app/session/?q=secret-search", visitor)
    request(up, "/nowhere?q=secret-search")
    wait_for(lambda: "/nowhere" in up.text(), what=up.text())
    wait_for(lambda: site.rows("SELECT 1 FROM job_queue WHERE status = 'completed'"))
    assert not re.search("secret-(prompt|search)", up.text())
