"""Output is taken at once, however long it takes to deal with it, and handed on in its order."""

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import IO, Any

import pytest

from jobs_app.processes import streams
from jobs_app.processes.streams import CHUNK, PIPE_SIZE, Inbox, ReadPipe

DATA = b"".join(bytes([number]) * CHUNK for number in range(100)) + b"the rest"


def run_with_pipe(use: Callable[[IO[bytes]], Coroutine[Any, Any, None]], data: bytes) -> None:
    """Run `use` with a pipe that is filled in each turn of the loop, and closed at the end."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)

    async def fill() -> None:
        rest = memoryview(data)
        while rest:
            with suppress(BlockingIOError):
                rest = rest[os.write(write_end, rest) :]
            await asyncio.sleep(0)
        os.close(write_end)

    async def main() -> None:
        pipe = os.fdopen(read_end, "rb", buffering=0)
        await asyncio.gather(use(pipe), fill())

    asyncio.run(main())


@pytest.mark.parametrize("limit", [10 * CHUNK, 10**9], ids=["held back", "through a file"])
def test_all_comes_in_order_and_others_have_their_turn(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(streams, "INBOX_MEMORY", 2 * CHUNK)
    fed: list[bytes] = []
    turns: set[int] = set()

    async def use(pipe: IO[bytes]) -> None:
        inbox = Inbox(pipe, fed.append, tmp_path, limit)
        while not inbox.closed.is_set() or sum(map(len, fed)) < len(DATA):
            turns.add(len(fed))
            await asyncio.sleep(0)
        await inbox.emptied()

    run_with_pipe(use, DATA)
    assert b"".join(fed) == DATA
    assert len(turns) > 10


def test_what_comes_is_taken_before_it_is_dealt_with_up_to_a_limit(tmp_path):
    kept: list[int] = []

    async def use(pipe: IO[bytes]) -> None:
        inbox = Inbox(pipe, lambda data: None, tmp_path, limit=20 * CHUNK)
        while not inbox.closed.is_set():
            kept.append(inbox._size)
            await asyncio.sleep(0)

    run_with_pipe(use, DATA)
    assert 10 * CHUNK < max(kept) <= 20 * CHUNK + PIPE_SIZE


def test_a_full_disk_leaves_the_rest_in_the_pipe(tmp_path, monkeypatch, caplog):
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(streams, "INBOX_MEMORY", 2 * CHUNK)
    fed: list[bytes] = []
    kept: list[int] = []

    async def use(pipe: IO[bytes]) -> None:
        inbox = Inbox(pipe, fed.append, tmp_path)
        while not inbox.closed.is_set():
            kept.append(inbox._size)
            await asyncio.sleep(0)
        await inbox.emptied()

    run_with_pipe(use, DATA)
    assert b"".join(fed) == DATA
    assert max(kept) <= 2 * PIPE_SIZE
    assert "cannot be kept in a file" in caplog.text


def test_a_file_that_cannot_be_read_is_an_error_and_no_waiting_without_end(tmp_path, monkeypatch):
    def broken(*arguments: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    monkeypatch.setattr(streams, "INBOX_MEMORY", 2 * CHUNK)

    async def use(pipe: IO[bytes]) -> None:
        inbox = Inbox(pipe, lambda data: None, tmp_path)
        await inbox.closed.wait()
        with pytest.raises(OSError, match="Input/output"):
            await inbox.emptied()

    run_with_pipe(use, DATA)


def test_a_little_is_handed_on_at_once(tmp_path):
    fed: list[bytes] = []

    async def use(pipe: IO[bytes]) -> None:
        inbox = Inbox(pipe, fed.append, tmp_path)
        await inbox.closed.wait()
        assert fed == [b"a little"]

    run_with_pipe(use, b"a little")


def test_a_full_pipe_is_emptied_in_one_turn_of_the_loop():
    read_end, write_end = os.pipe()
    fed: list[bytes] = []

    async def main() -> None:
        reader = ReadPipe(os.fdopen(read_end, "rb", buffering=0), fed.append)
        os.set_blocking(write_end, False)
        written = os.write(write_end, bytes(PIPE_SIZE))
        await asyncio.sleep(0)  # the loop finds that there is something
        await asyncio.sleep(0)
        assert sum(map(len, fed)) == written
        os.close(write_end)
        await reader.closed.wait()

    asyncio.run(main())
