"""Strangers who open many connections, or are slow to ask, shut nobody out and fill no disk."""

import contextlib
import http.client
import socket
from collections.abc import Iterator

import pytest

from tests.process.running import Up
from tests.process.site import Site, wait_for

LIMIT = 40
FLOOD = LIMIT + 100
STREAM = "/admin/sessions_app/session/{}/events/"
SLOW_BODY = b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def up(site: Site) -> Iterator[Up]:
    environment = {**site.environment, "POKECODE_MAX_CONNECTIONS": str(LIMIT)}
    with Up(site.directory / "home", environment=environment) as running:
        yield running.wait_until_ready()


def connect(up: Up, first: bytes = b"") -> socket.socket:
    stranger = socket.create_connection(("127.0.0.1", up.port), timeout=30)
    if first:
        stranger.sendall(first)
    return stranger


def is_cut(stranger: socket.socket) -> bool:
    stranger.setblocking(False)
    try:
        return stranger.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def drip(stranger: socket.socket, piece: bytes) -> bool:
    """Send a little more; True once the other side has had enough."""
    with contextlib.suppress(OSError):
        stranger.send(piece)
    return is_cut(stranger)


def upload(up: Up, pieces: int) -> tuple[int, str]:
    """Send pieces of 64 kB without a length and without looking for an answer meanwhile."""
    headers = {"Connection": "close"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", up.port, timeout=60)) as link:
        link.request("POST", "/admin/login/", iter([b"x" * 65_536] * pieces), headers)
        answer = link.getresponse()
        return answer.status, answer.read().decode()


def test_strangers_who_ask_nothing_or_slowly_shut_nobody_out(site, up):
    session = site.session()
    browser = up.log_in()
    with contextlib.ExitStack() as open_sockets:
        stream = open_sockets.enter_context(
            browser.open(up.url(STREAM.format(session)), timeout=30)
        )
        idle = [open_sockets.enter_context(connect(up)) for _ in range(FLOOD)]
        assert up.get("/health/live") == "ok\n"
        assert "Control room" in up.get("/admin/", browser)
        wait_for(lambda: sum(map(is_cut, idle)) >= FLOOD - LIMIT, 5, "the oldest made room")
        assert not is_cut(idle[-1])

        slow_head = open_sockets.enter_context(connect(up, b"GET / HTTP/1.1\r\n"))
        slow_body = open_sockets.enter_context(connect(up, SLOW_BODY))
        wait_for(lambda: drip(slow_head, b"a"), 20, "a head that comes byte by byte is cut off")
        wait_for(lambda: drip(slow_body, b"1\r\na\r\n"), 40, "and so is a body")
        assert all(map(is_cut, idle))
        assert upload(up, 320) == (
            413,
            "Without a login a request may have 64 kB: log in and send it again.\n",
        )
        assert stream.readline() == b": following\n"
    assert len(up.text()) < 20_000
