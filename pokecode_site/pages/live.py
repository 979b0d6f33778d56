"""Server-sent events of one session: new messages and the state of its jobs as they are committed.

An event's id is the id of the last message in it, so a browser that reconnects
is sent exactly what it missed: nothing is buffered here.
"""

import asyncio
import copy
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from django.conf import settings
from django.contrib import auth
from django.contrib.admin import ModelAdmin
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from pokecode_site.pages import drafts, requests, workspace
from pokecode_site.pages.inbox import Inbox
from sessions_app import changes
from sessions_app.admin.base import may_read_messages
from sessions_app.display import rendering
from sessions_app.display.confined import Budget
from sessions_app.display.conversation import Conversation
from sessions_app.models import Session, SessionMessage

STREAMS_PER_USER = 20

KEEP_ALIVE = 15.0
"""Seconds between signs of life, and between checks that the visitor may still watch."""

LINGER = 0.01
"""Seconds from a commit to the look: one look for a prompt and its claim, and workers go first."""

PAUSE = 0.1
"""Seconds from one look to the next on average, however fast an agent writes."""

BURST = 3
"""Looks that need not wait for that after a rest: the first words of an answer come shortly after
the sign that its agent has begun."""

FRAGMENTS_PAUSE = 0.3
"""Seconds between two looks at all else than the conversation, while an agent is writing."""

EVENT_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


class Watch:
    """One watcher of the database for all streams of an event loop."""

    def __init__(self) -> None:
        self._bells: set[changes.Bell] = set()
        self._task: asyncio.Task[None] | None = None
        self.ended = False

    @asynccontextmanager
    async def bell(self) -> AsyncIterator[changes.Bell]:
        bell = changes.Bell()
        self._bells.add(bell)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._relay(), name="live pages")
        try:
            yield bell
        finally:
            self._bells.discard(bell)
            if not self._bells and self._task:
                self._task.cancel()
                self._task = None

    def end(self) -> None:
        self.ended = True
        self._ring()

    async def _relay(self) -> None:
        async with changes.listen(changes.JOBS, changes.RUNS, changes.MESSAGES) as source:
            while True:
                await source.wait()  # after SLOW_POLL without a ring too: one may have been missed
                await asyncio.sleep(LINGER)
                self._ring()

    def _ring(self) -> None:
        for bell in self._bells:
            bell.ring()


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def end_streams() -> None:
    """The server is stopping: end every stream now. May be called from a signal handler.

    A server that shuts down cleanly waits for its open responses, and these
    would not end by themselves.
    """
    for loop, watch in list(_watches.items()):
        if loop.is_running():
            loop.call_soon_threadsafe(watch.end)


class Follower:
    """What one stream has sent, and what there is to send; its methods use the database."""

    def __init__(
        self,
        model_admin: "ModelAdmin[Session]",
        request: HttpRequest,
        session: Session,
        cursor: str,
    ) -> None:
        self._model_admin = model_admin
        self._request = request
        self._session_id = session.pk
        self._cursor = cursor
        self._sent: dict[str, dict[str, str]] = {}
        self._sent_draft: drafts.Draft | None = None
        self._fragments_at = 0.0
        self.is_behind = False
        self._conversation = Conversation()
        rendering.feed(self._conversation, session, rendering.until(session, cursor))

    def may_look(self) -> bool:
        """Whether this login still exists and may still see the session."""
        store = import_module(settings.SESSION_ENGINE).SessionStore
        fresh = copy.copy(self._request)
        fresh.session = store(self._request.session.session_key)
        fresh.user = auth.get_user(fresh)
        self._request = fresh
        site = self._model_admin.admin_site
        return site.has_permission(fresh) and self._model_admin.has_view_permission(fresh)

    def look(self) -> str | None:
        """The next event, "" if there is nothing new, None if the session is gone."""
        session = Session.objects.filter(pk=self._session_id).first()
        if session is None:
            return None
        news = self._news(session)
        return _event(news, self._cursor) if any(news.values()) else ""

    def _news(self, session: Session) -> dict[str, Any]:
        may_read = may_read_messages(self._request)
        messages, draft = self._written(session) if may_read else ([], drafts.NONE)
        self.is_behind = len(messages) == rendering.PAGE
        if messages:
            self._cursor = messages[-1].pk
        written = draft.news(self._sent_draft)
        self._sent_draft = draft
        budget = Budget()
        return {
            "entries": [
                {
                    "id": entry.id,
                    "inside": entry.inside and f"{entry.inside.id}-inside",
                    "html": rendering.html(entry, budget),
                }
                for entry in rendering.feed(self._conversation, session, messages)
            ],
            "draft": written,
            **self._parts(session, is_only_draft=bool(written and not messages)),
        }

    def _written(self, session: Session) -> tuple[list[SessionMessage], drafts.Draft]:
        """The new messages, and the draft as it was when they were the newest ones."""
        draft = drafts.of_session(session.pk)
        while messages := rendering.after(session, self._cursor):
            # A draft ends with the commit that brings its message: that may be one of these.
            earlier, draft = draft, drafts.of_session(session.pk)
            if draft == earlier:
                break
        return messages, draft

    def _parts(self, session: Session, *, is_only_draft: bool) -> dict[str, Any]:
        """What has changed of the others. They cost far more than a draft, which changes all the
        time. The first look tells of each request its state alone: the page has most of them."""
        now = time.monotonic()
        if is_only_draft and now - self._fragments_at < FRAGMENTS_PAUSE:
            self.is_behind = True
            return {"fragments": {}, "requests": {}, "needs": {}, "cards": []}
        self._fragments_at = now
        current = {
            "fragments": workspace.fragments(self._request, session),
            "requests": requests.states(self._request, session),
            "needs": {"count": Inbox(self._request).count},
        }
        changed = {key: _changed(self._sent.get(key, {}), value) for key, value in current.items()}
        asked = changed["requests"] if "requests" in self._sent else {}
        self._sent = current
        return {**changed, "cards": requests.cards_html(self._request, session, list(asked))}


def _changed(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in now.items() if before.get(key) != value}


class Stream:
    """The events for one visitor, who may have `STREAMS_PER_USER` of them open.

    Django calls `close`, in a thread, once the response is over. The iterator alone could not
    tell: one that was abandoned after an event is only closed when it is garbage
    collected, which may be much later.
    """

    _open: ClassVar[set["Stream"]] = set()

    @classmethod
    def count(cls, user_id: Any) -> int:
        """How many streams this user has open."""
        return sum(stream._user_id == user_id for stream in tuple(cls._open))

    def __init__(self, follower: Follower, user_id: Any) -> None:
        self._follower = follower
        self._user_id = user_id

    async def __aiter__(self) -> AsyncIterator[str]:
        if self.count(self._user_id) >= STREAMS_PER_USER:  # many were requested at once
            return
        self._open.add(self)
        watch = _watches.setdefault(asyncio.get_running_loop(), Watch())
        try:
            async with watch.bell() as bell:
                async for event in _follow(self._follower, watch, bell):
                    yield event
        finally:
            self.close()

    def close(self) -> None:
        self._open.discard(self)


def respond(
    model_admin: "ModelAdmin[Session]", request: HttpRequest, session: Session
) -> HttpResponseBase:
    """The stream after `Last-Event-ID` or `?after=`, for a visitor who may see the session."""
    if not workspace.can_follow(request):
        # A synchronous server would wait for the end of the stream; 204 tells the
        # browser not to ask again, and the page stays as it was loaded.
        return HttpResponse(status=204)
    if Stream.count(request.user.pk) >= STREAMS_PER_USER:
        return HttpResponse(
            "Too many live pages are open: close some tabs.\n",
            content_type="text/plain",
            status=429,
        )
    follower = Follower(model_admin, request, session, _cursor(request))
    connection.close()  # the request lasts as long as the stream; its connection need not
    return StreamingHttpResponse(
        Stream(follower, request.user.pk),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _cursor(request: HttpRequest) -> str:
    asked = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    return asked if EVENT_ID.fullmatch(asked) else ""


class Pace:
    """How long a stream waits after each look."""

    def __init__(self) -> None:
        self._paid_until = 0.0

    def pause(self, now: float) -> float:
        """Seconds to wait after a look at `now`."""
        self._paid_until = max(self._paid_until, now) + PAUSE
        return max(0.0, self._paid_until - now - BURST * PAUSE)


async def _follow(follower: Follower, watch: Watch, bell: changes.Bell) -> AsyncIterator[str]:
    checked = time.monotonic()
    pace = Pace()
    yield ": following\n\n"
    while not watch.ended:
        if time.monotonic() - checked >= KEEP_ALIVE:
            if not await _in_thread(follower.may_look):
                return
            checked = time.monotonic()
            yield ": still here\n\n"
        event = await _in_thread(follower.look)
        if event is None:
            return
        if event:
            yield event
        await asyncio.sleep(pace.pause(time.monotonic()))
        if not follower.is_behind:
            await bell.wait(max(0.0, checked + KEEP_ALIVE - time.monotonic()))


async def _in_thread(work: Any) -> Any:
    """Do database work in one of the loop's few threads, so that streams share connections."""

    def run() -> Any:
        try:
            return work()
        finally:
            close_old_connections()

    return await asyncio.to_thread(run)


def _event(data: dict[str, Any], cursor: str) -> str:
    """One event. JSON escapes all line breaks; an id that could hold one is left out."""
    name = f"id: {cursor}\n" if EVENT_ID.fullmatch(cursor) else ""
    return f"{name}data: {json.dumps(data)}\n\n"
