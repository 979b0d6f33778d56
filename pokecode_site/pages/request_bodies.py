"""How large a request may be: a little for a stranger, a long prompt and its images for somebody
with a login.

Under ASGI, Django would read the whole body, onto the disk if need be, before it asks who sent
it: `LimitedBodies` stands in front. A session cookie can be invented, so the session is looked
up, but only for a body that needs it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.db import DatabaseError, close_old_connections
from django.http import HttpRequest, HttpResponse, parse_cookie

from pokecode_site.conf import database
from sessions_app.image_files import MOST_TOGETHER
from sessions_app.validation import PROMPT_TOO_LONG

LIMIT = 64 * 1024
WITH_FILES = "multipart/form-data"
IMAGES_TOO_LONG = "A prompt may have 20 MB of images, each of 5 MB: send fewer or smaller ones."
STRANGER_TOO_LONG = "Without a login a request may have 64 kB: log in and send it again."

DRAIN = 20.0
"""Seconds in which a refused body is still read, and forgotten: a browser that cannot send its
request to the end does not show the answer."""

HEADERS = {
    b"content-type": b"text/plain; charset=utf-8",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}

GetResponse = Callable[[HttpRequest], HttpResponse]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class LimitedBodies:
    """An ASGI application that never sees more of a request than its visitor may send."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        body = _Body(scope, receive)
        await body.check_declared()
        if body.refusal is None:
            await self._application(scope, body.receive, send)
        if body.refusal:
            await _answer(send, *body.refusal)
            await body.drain()
            await send({"type": "http.response.body"})


class _Body:
    """A request's body, counted as it comes."""

    def __init__(self, scope: dict[str, Any], receive: Receive) -> None:
        self._headers = dict(scope["headers"])
        self._receive = receive
        self._size = 0
        self._limit = LIMIT
        self._is_complete = False
        self.refusal: tuple[int, str] | None = None

    async def check_declared(self) -> None:
        declared = self._headers.get(b"content-length", b"")
        await self._check(int(declared) if declared.isdigit() else 0)

    async def receive(self) -> Message:
        """The next part; once there is too much, the visitor seems to be gone."""
        message = await self._next()
        await self._check(self._size)
        return {"type": "http.disconnect"} if self.refusal else message

    async def drain(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN):
                while not self._is_complete:
                    await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        return message

    async def _check(self, size: int) -> None:
        if size > self._limit == LIMIT:
            await self._look_up_login()
        if size > self._limit and self.refusal is None:
            known = IMAGES_TOO_LONG if self._has_files else PROMPT_TOO_LONG
            self.refusal = 413, STRANGER_TOO_LONG if self._limit == LIMIT else known

    @property
    def _has_files(self) -> bool:
        return self._headers.get(b"content-type", b"").lower().startswith(WITH_FILES.encode())

    async def _look_up_login(self) -> None:
        cookies = self._headers.get(b"cookie", b"").decode("latin-1")
        try:
            if await asyncio.to_thread(_is_logged_in, cookies):
                text = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or LIMIT
                self._limit = text + MOST_TOGETHER if self._has_files else text
        except DatabaseError as error:
            self.refusal = 503, database.explain(error) or "The database does not answer."


def _is_logged_in(cookies: str) -> bool:
    key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME)
    if not key:
        return False
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    try:
        return auth.get_user(request).is_authenticated
    finally:
        close_old_connections()


async def _answer(send: Send, status: int, sentence: str) -> None:
    body = f"{sentence}\n".encode()
    headers = [*HEADERS.items(), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})


def limited_bodies(get_response: GetResponse) -> GetResponse:
    """The same limit for strangers under WSGI, where bodies have a length and are read late."""

    def middleware(request: HttpRequest) -> HttpResponse:
        declared = request.META.get("CONTENT_LENGTH") or "0"
        size = int(declared) if declared.isdigit() else 0
        if size > LIMIT and not request.user.is_authenticated:
            return _refused(STRANGER_TOO_LONG)
        has_files = request.content_type == WITH_FILES
        if has_files and size > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or LIMIT) + MOST_TOGETHER:
            return _refused(IMAGES_TOO_LONG)
        return get_response(request)

    return middleware


def _refused(sentence: str) -> HttpResponse:
    return HttpResponse(f"{sentence}\n", content_type="text/plain", status=413)
