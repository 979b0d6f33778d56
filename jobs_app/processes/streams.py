"""Pipes of a process, read and written in the event loop without ever waiting for either side."""

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from jobs_app.processes.backlog import Backlog

CHUNK = 64 * 1024
PIPE_SIZE = 1024 * 1024
INBOX_LIMIT = 256 * 1024 * 1024
"""Bytes of an agent's output that may wait: more is a flood, which its pipe holds back."""

INBOX_MEMORY = 4 * 1024 * 1024
"""Bytes of them that are kept in memory before more go to a file."""

F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)


class ReadPipe:
    """Feeds everything that comes out of a pipe to `feed`, until its end or `close`."""

    def __init__(self, pipe: IO[bytes], feed: Callable[[bytes], None]) -> None:
        self._pipe = pipe
        self._feed = feed
        self._is_paused = False
        self._loop = asyncio.get_running_loop()
        self.closed = asyncio.Event()
        os.set_blocking(pipe.fileno(), False)
        _enlarge(pipe)
        self._loop.add_reader(pipe, self._read)

    def pause(self) -> None:
        """Leave what comes in the pipe, until `go_on`."""
        if not self._is_paused and not self.closed.is_set():
            self._is_paused = True
            self._loop.remove_reader(self._pipe)

    def go_on(self) -> None:
        if self._is_paused and not self.closed.is_set():
            self._is_paused = False
            self._loop.add_reader(self._pipe, self._read)

    def close(self) -> None:
        if not self.closed.is_set():
            self._loop.remove_reader(self._pipe)
            self._pipe.close()
            self.closed.set()

    def _read(self) -> None:
        """All that is there, up to what a pipe holds."""
        for _ in range(PIPE_SIZE // CHUNK):
            try:
                data = os.read(self._pipe.fileno(), CHUNK)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self._feed(data)
            if len(data) < CHUNK or self._is_paused:
                return


class Inbox:
    """Hands on what a pipe gives, in order and in portions between which others get their turn.

    So the pipe is emptied as fast as it fills, however long its contents take to handle. Only
    beyond `limit` bytes, or if the disk has no room for them, is it left full.
    """

    def __init__(
        self,
        pipe: IO[bytes],
        feed: Callable[[bytes], None],
        directory: Path,
        limit: int = INBOX_LIMIT,
    ) -> None:
        self._feed = feed
        self._limit = limit
        self._waiting = Backlog(directory, PlainForm(), INBOX_MEMORY)
        self._size = 0
        self._failure: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._pipe = ReadPipe(pipe, self._put)
        self.closed = self._pipe.closed

    def close(self) -> None:
        """Read no more; what was read is still handed on."""
        self._pipe.close()

    async def has_room(self) -> None:
        """Returns once the pipe is being read, not left full."""
        await self._has_room.wait()

    async def emptied(self) -> None:
        """Returns once all that was read has been handed on; raises what made that impossible."""
        await self._is_empty.wait()
        if self._failure is not None:
            raise self._failure

    def _put(self, data: bytes) -> None:
        if self._failure is not None:
            return
        if self._is_empty.is_set():
            if len(data) < CHUNK:  # the usual case: nothing is waiting, and not much comes
                self._feed(data)
                return
            self._is_empty.clear()
            self._loop.call_soon(self._hand_on)
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= self._limit or self._waiting.is_beyond_disk:
            self._has_room.clear()
            self._pipe.pause()

    def _hand_on(self) -> None:
        try:
            data = self._waiting.popleft()
            self._feed(data)
        except Exception as error:
            self._failure = error
            self._end()
            return
        self._size -= len(data)
        if not self._waiting:
            self._end()
            return
        if self._size <= self._limit // 2 and not self._waiting.is_beyond_disk:
            self._go_on()
        self._loop.call_soon(self._hand_on)

    def _end(self) -> None:
        self._waiting.close()
        self._is_empty.set()
        self._go_on()

    def _go_on(self) -> None:
        self._has_room.set()
        self._pipe.go_on()


class PlainForm:
    """Bytes as they are. See backlog.Form."""

    def size(self, item: bytes) -> int:
        return len(item)

    def write(self, item: bytes) -> bytes:
        return item

    def read(self, data: bytes) -> bytes:
        return data


class WritePipe:
    """Writes what it is given into a pipe, in order, as fast as the reader takes it; a reader may
    go away early."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._waiting: deque[memoryview] = deque()
        self._is_watched = self._is_closing = False
        self._loop = asyncio.get_running_loop()
        os.set_blocking(pipe.fileno(), False)

    def write(self, data: bytes) -> None:
        if not self._is_closing:
            self._waiting.append(memoryview(data))
            self._write()  # usually all of it fits into the pipe

    def close(self) -> None:
        """Close the pipe once all has been written."""
        self._is_closing = True
        self._write()

    def abandon(self) -> None:
        """Close the pipe now."""
        self._is_closing = True
        self._waiting.clear()
        self._write()

    def _write(self) -> None:
        while self._waiting and not self._pipe.closed:
            try:
                written = os.write(self._pipe.fileno(), self._waiting[0])
            except BlockingIOError:
                break
            except BrokenPipeError:
                self._waiting.clear()
                break
            rest = self._waiting.popleft()[written:]
            if rest:
                self._waiting.appendleft(rest)
        self._watch(bool(self._waiting))
        if self._is_closing and not self._waiting:
            self._pipe.close()

    def _watch(self, is_wanted: bool) -> None:
        if is_wanted and not self._is_watched:
            self._loop.add_writer(self._pipe, self._write)
        elif self._is_watched and not is_wanted:
            self._loop.remove_writer(self._pipe)
        self._is_watched = is_wanted


class LineSplitter:
    """Calls `on_line(line, cut)` for each line, ended by b"\\n" and nothing else, without it.

    A line longer than `limit` bytes is delivered cut at once and its rest dropped,
    so that an endless line takes no more memory than that. `finish` delivers
    what follows the last newline, as cut.
    """

    def __init__(self, on_line: Callable[[bytes, bool], None], limit: int) -> None:
        self._on_line = on_line
        self._limit = limit
        self._line = bytearray()
        self._is_dropping = False

    def feed(self, data: bytes) -> None:
        *ended, rest = data.split(b"\n")
        for part in ended:
            if self._line or self._is_dropping or len(part) > self._limit:
                self._extend(part)
                self._end()
            else:
                self._on_line(part, False)
        self._extend(rest)

    def finish(self) -> None:
        if self._line:
            self._deliver(cut=True)

    def _extend(self, part: bytes) -> None:
        if self._is_dropping or not part:
            return
        room = self._limit - len(self._line)
        self._line += part[:room]
        if len(part) > room:
            self._deliver(cut=True)
            self._is_dropping = True

    def _end(self) -> None:
        if not self._is_dropping:
            self._deliver(cut=False)
        self._is_dropping = False

    def _deliver(self, *, cut: bool) -> None:
        line, self._line = bytes(self._line), bytearray()
        self._on_line(line, cut)


class Tail:
    """The last `limit` bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        self._data += data
        del self._data[: -self._limit]

    def text(self) -> str:
        return self._data.decode(errors="replace")


def _enlarge(pipe: IO[bytes]) -> None:
    """A reader that is briefly late then does not make the writer wait (Linux)."""
    if F_SETPIPE_SZ is not None:
        with suppress(OSError):  # the user's pipes may already be large together
            fcntl.fcntl(pipe, F_SETPIPE_SZ, PIPE_SIZE)
