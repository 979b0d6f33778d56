"""What the recorder has not stored yet: in memory, and beyond a limit in a file.

An agent that prints faster than the database stores is never held back and
never loses a line, and the worker's memory stays bounded all the same.
"""

import json
import logging
import os
import tempfile
from collections import deque
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from jobs_app.leases import Entry
from jobs_app.models import JobAttempt
from sessions_app.transcript import NewMessage

MEMORY_LIMIT = 32 * 1024 * 1024
"""Characters of messages that are kept in memory before more go to the file."""

values = attrgetter(*(field.name for field in fields(NewMessage)))

logger = logging.getLogger(__name__)


class Backlog:
    """Entries, first in, first out: `_head` in memory, then `_spool` on disk, then `_tail`.

    The tail is used only where the disk is full: then memory is all there is.
    """

    def __init__(self, directory: Path, limit: int = MEMORY_LIMIT) -> None:
        self._directory = directory
        self._limit = limit
        self._head: deque[Entry] = deque()
        self._tail: deque[Entry] = deque()
        self._spool = _Spool()
        self._size = 0

    def __len__(self) -> int:
        return len(self._head) + len(self._spool) + len(self._tail)

    def append(self, entry: Entry) -> None:
        if self._tail:
            self._tail.append(entry)
        elif len(self._spool) or self._size > self._limit:
            self._append_to_spool(entry)
        else:
            self._head.append(entry)
            self._size += entry.size

    def take(self, count: int) -> list[Entry]:
        """The next entries, at most `count`, and no more than memory may hold at once."""
        taken: list[Entry] = []
        size = 0
        while len(self) and len(taken) < count and size <= self._limit:
            taken.append(self._next())
            size += taken[-1].size
        return taken

    def close(self) -> None:
        self._spool.close()

    def _next(self) -> Entry:
        if self._head:
            entry = self._head.popleft()
            self._size -= entry.size
            return entry
        return self._spool.popleft() if len(self._spool) else self._tail.popleft()

    def _append_to_spool(self, entry: Entry) -> None:
        try:
            self._spool.append(entry, self._directory)
        except OSError as error:
            logger.error("Output cannot be kept in a file (%s): it is kept in memory.", error)
            self._tail.append(entry)


class _Spool:
    """A file without a name: messages as JSON, the few other entries by number."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._sizes: deque[int] = deque()
        self._read_from = self._write_to = self._numbered = 0
        self._attempts: dict[str, JobAttempt] = {}
        self._others: dict[int, Entry] = {}

    def __len__(self) -> int:
        return len(self._sizes)

    def append(self, entry: Entry, directory: Path) -> None:
        """Raises OSError, and has kept nothing, if the disk is full."""
        if self._file is None:
            self._file = _nameless_file(directory)
        data = memoryview(json.dumps(self._record(entry)).encode())
        written = 0
        while written < len(data):
            written += os.pwrite(self._file, data[written:], self._write_to + written)
        self._write_to += len(data)
        self._sizes.append(len(data))
        self._remember(entry)

    def popleft(self) -> Entry:
        assert self._file is not None  # noqa: S101 - there is an entry
        size = self._sizes.popleft()
        entry = self._entry(json.loads(os.pread(self._file, size, self._read_from)))
        self._read_from += size
        if not self._sizes:
            self.close()
        return entry

    def close(self) -> None:
        """Free the disk; the next entry begins a new file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._read_from = self._write_to = 0
        self._attempts.clear()

    def _record(self, entry: Entry) -> list[Any]:
        if isinstance(entry.item, NewMessage):
            return [entry.attempt.id, *values(entry.item)]
        return [self._numbered]

    def _remember(self, entry: Entry) -> None:
        if isinstance(entry.item, NewMessage):
            self._attempts[entry.attempt.id] = entry.attempt
        else:
            self._others[self._numbered] = entry
            self._numbered += 1

    def _entry(self, record: list[Any]) -> Entry:
        first, *message = record
        if message:
            return Entry(self._attempts[first], NewMessage(*message))
        return self._others.pop(first)


def _nameless_file(directory: Path) -> int:
    descriptor, name = tempfile.mkstemp(dir=directory, prefix="backlog-")
    os.unlink(name)
    return descriptor
