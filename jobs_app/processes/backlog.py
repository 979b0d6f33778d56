"""What has arrived and is not dealt with yet: in memory, and beyond a limit in a file.

Whoever adds something is never held back, nothing is lost, and yet the worker's
memory stays bounded.
"""

import logging
import os
import tempfile
from collections import deque
from pathlib import Path
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Form(Protocol[T]):
    """How items are kept in a file, and how much memory they take before that."""

    def size(self, item: T) -> int:
        """Bytes or characters."""

    def write(self, item: T) -> bytes:
        """The item as the file keeps it."""

    def read(self, data: bytes) -> T:
        """The item that `write` wrote; each is read once, in order."""


class Backlog(Generic[T]):
    """First in, first out: `_head` in memory, then `_file`, then `_tail`.

    The tail is used only where the disk is full: then memory is all there is.
    """

    def __init__(self, directory: Path, form: Form[T], limit: int) -> None:
        self._directory = directory
        self._form = form
        self._limit = limit
        self._head: deque[T] = deque()
        self._tail: deque[T] = deque()
        self._file = _File()
        self._size = 0

    def __len__(self) -> int:
        return len(self._head) + len(self._file) + len(self._tail)

    @property
    def is_beyond_disk(self) -> bool:
        """Whether the disk was full, and what arrived then is not dealt with yet."""
        return bool(self._tail)

    def append(self, item: T) -> None:
        if self._tail:
            self._tail.append(item)
        elif len(self._file) or self._size > self._limit:
            self._append_to_file(item)
        else:
            self._head.append(item)
            self._size += self._form.size(item)

    def popleft(self) -> T:
        """The next item; IndexError if there is none."""
        if self._head:
            item = self._head.popleft()
            self._size -= self._form.size(item)
            return item
        return self._form.read(self._file.popleft()) if len(self._file) else self._tail.popleft()

    def take(self, count: int) -> list[T]:
        """The next items, at most `count` and no more than memory may hold at once."""
        taken: list[T] = []
        size = 0
        while len(self) and len(taken) < count and size <= self._limit:
            taken.append(self.popleft())
            size += self._form.size(taken[-1])
        return taken

    def close(self) -> None:
        self._file.close()

    def _append_to_file(self, item: T) -> None:
        try:
            self._file.append(self._form.write(item), self._directory)
        except OSError as error:
            logger.error("Output cannot be kept in a file (%s): it is kept in memory.", error)
            self._tail.append(item)


class _File:
    """Byte strings, first in, first out, in a file without a name."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._sizes: deque[int] = deque()
        self._read_from = self._write_to = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def append(self, data: bytes, directory: Path) -> None:
        """Raises OSError, having kept nothing, if the disk is full."""
        if self._descriptor is None:
            self._descriptor = _nameless_file(directory)
        written = 0
        while written < len(data):
            rest = memoryview(data)[written:]
            written += os.pwrite(self._descriptor, rest, self._write_to + written)
        self._write_to += len(data)
        self._sizes.append(len(data))

    def popleft(self) -> bytes:
        assert self._descriptor is not None  # noqa: S101 - there is something
        size = self._sizes.popleft()
        data = os.pread(self._descriptor, size, self._read_from)
        self._read_from += size
        if not self._sizes:
            self.close()
        return data

    def close(self) -> None:
        """Free the disk space; what comes next begins a new file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._read_from = self._write_to = 0


def _nameless_file(directory: Path) -> int:
    descriptor, name = tempfile.mkstemp(dir=directory, prefix="backlog-")
    os.unlink(name)
    return descriptor
