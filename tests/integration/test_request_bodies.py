"""How large a request may be that an ASGI server hands over in pieces, with or without a length."""

import asyncio
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from pokecode_site.asgi import application
from pokecode_site.pages import request_bodies

PIECE = b"x" * 16_384
KIND = (b"content-type", b"application/octet-stream")
LOGIN = "/admin/login/"

pytestmark = pytest.mark.django_db(transaction=True)


class Server:
    """Sends one request to the application and takes its answer; knows how much was read."""

    def __init__(self, pieces: int, cookies: str = "", **headers: str) -> None:
        self.left = self.pieces = pieces
        named = {"host": "localhost", "cookie": cookies, **headers}
        self.headers = [(key.encode(), value.encode()) for key, value in named.items()]
        self.status, self.body, self.read_before_answer = 0, b"", pieces

    async def receive(self):
        if not self.left:
            await asyncio.Event().wait()  # the visitor waits for the answer
        self.left -= 1
        return {"type": "http.request", "body": PIECE, "more_body": self.left > 0}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status, self.read_before_answer = message["status"], self.pieces - self.left
        self.body += message.get("body", b"")

    async def post(self) -> "Server":
        scope = {
            "type": "http",
            "method": "POST",
            "path": LOGIN,
            "raw_path": LOGIN.encode(),
            "query_string": b"",
            "headers": [*self.headers, KIND],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await application(scope, self.receive, self.send)
        return self


@pytest.fixture
def cookies(client: Client) -> str:
    client.force_login(get_user_model().objects.create_user("ada", is_staff=True))
    return f"sessionid={client.cookies['sessionid'].value}"


@pytest.mark.asyncio
@pytest.mark.parametrize("cookies", ["", f"sessionid={'a' * 32}"], ids=["no cookie", "invented"])
async def test_a_stranger_sends_64_kb_and_no_more_is_read_before_the_answer(cookies):
    enough = await Server(4, cookies).post()
    assert enough.status not in {0, 413}
    more = await Server(12_800, cookies).post()  # 200 MB in pieces
    assert more.status == 413
    assert more.body.decode() == f"{request_bodies.STRANGER_TOO_LONG}\n"
    assert more.read_before_answer == 5
    assert more.left == 0, "the rest is read and forgotten, so that a browser shows the answer"


@pytest.mark.asyncio
async def test_a_declared_length_is_refused_before_anything_is_read():
    declared = await Server(5, **{"content-length": "81920"}).post()
    assert (declared.status, declared.read_before_answer) == (413, 0)


@pytest.mark.asyncio
async def test_with_a_login_16_mb_are_taken_and_more_is_called_too_long(cookies):
    enough = await Server(1024, cookies).post()
    assert enough.status not in {0, 413}
    more = await Server(1025, cookies).post()
    assert more.status == 413
    assert more.body == b"The prompt is over 4 MiB: put long material in a file.\n"


@pytest.mark.asyncio
async def test_a_login_that_has_ended_is_none(cookies, django_user_model):
    await django_user_model.objects.all().aupdate(is_active=False)
    assert (await Server(5, cookies).post()).status == 413


@pytest.mark.asyncio
async def test_trouble_with_the_database_is_said(monkeypatch):
    def fail(cookies):
        raise DatabaseError("database is locked")

    monkeypatch.setattr(request_bodies, "_is_logged_in", fail)
    answer = await Server(5).post()
    assert answer.status == 503
    assert b"The database is locked" in answer.body


def test_a_server_without_asgi_says_the_same(client, cookies):
    stranger = Client()
    form = {"prompt": "x" * request_bodies.LIMIT}
    assert stranger.post(LOGIN, form).status_code == 413
    assert client.post(reverse("admin:logout"), form).status_code == 200


def test_a_paste_over_the_limit_of_all_requests_gets_the_sentence_for_a_long_prompt(
    client, cookies, session
):
    get_user_model().objects.update(is_superuser=True)
    page = reverse("admin:sessions_app_session_change", args=[session.pk])
    form = urlencode({"prompt": "x" * (17 * 1024 * 1024)})
    answer = client.post(page, form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 413
    assert answer.content == b"The prompt is over 4 MiB: put long material in a file.\n"
