"""Visitors' connections: nobody keeps one for nothing, and too many strangers shut nobody out.

Whoever is slow to ask, or to read the answer, has a deadline. At the limit the connection that
has been idle for longest makes room, so that an ordinary request or a health check gets through.
"""

import asyncio
import enum
import resource
from functools import cache
from typing import ClassVar

import h11
from django.conf import settings
from uvicorn.protocols.http.h11_impl import H11Protocol

BACKLOG = 512
"""Connections that the system may hold for us, and so the most that are taken at once."""

BODY_BYTES_PER_SECOND = 50_000
"""A body may take a second longer for each so many bytes of it that have come."""


class Phase(enum.Enum):
    """What a connection waits for."""

    HEAD = "the head of a request"
    BODY = "the rest of its body"
    READER = "somebody to read the answer"
    END = "the last bytes to leave"
    US = "a page that is being made, or a live page"


PATIENCE = {Phase.HEAD: 10.0, Phase.BODY: 20.0, Phase.READER: 60.0, Phase.END: 10.0}
"""Seconds after which a connection in this phase is cut; in the one that is missing, never."""


@cache
def limit() -> int:
    """How many connections may be open; sees to it that there are descriptors for twice as many.

    The others are for the database, files and git. No more than needed are asked for:
    programs that we start inherit the number.
    """
    wanted = settings.POKECODE_MAX_CONNECTIONS
    needed = 2 * wanted + BACKLOG
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(10, (soft - BACKLOG) // 2))


class Connection(H11Protocol):
    """uvicorn's connection, with deadlines and a limit to their number."""

    _idle: ClassVar[dict["Connection", None]] = {}
    """Those that wait for a visitor, in the order in which they began to."""

    _phase = Phase.US
    _began = 0.0
    _received = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()
        if len(self.connections) > limit():
            oldest = next(iter(self._idle))  # this one, if all others are busy
            del self._idle[oldest]
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._enter(Phase.US)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._look()

    def _look(self) -> None:
        phase = self._what_it_waits_for()
        if phase is not self._phase and self in self.connections:
            self._enter(phase)

    def _what_it_waits_for(self) -> Phase:
        if self.transport.is_closing():
            return Phase.END
        if self.flow.write_paused:
            return Phase.READER
        if self.conn.their_state is h11.IDLE:
            return Phase.HEAD
        return Phase.BODY if self.conn.their_state is h11.SEND_BODY else Phase.US

    def _enter(self, phase: Phase) -> None:
        self._phase, self._began, self._received = phase, self.loop.time(), 0
        self._idle.pop(self, None)
        if self._deadline:
            self._deadline.cancel()
        if phase in PATIENCE:
            self._idle[self] = None
            self._deadline = self.loop.call_later(PATIENCE[phase], self._cut_if_late)

    def _cut_if_late(self) -> None:
        due = self._began + PATIENCE[self._phase]
        if self._phase is Phase.BODY:
            due += self._received / BODY_BYTES_PER_SECOND
        if self.loop.time() < due:
            self._deadline = self.loop.call_at(due, self._cut_if_late)
        else:
            self.transport.abort()
