"""Output is taken at once, however long it takes to deal with it, and handed on in its order."""

import asyncio
import os

from jobs_app.agents import streams
from jobs_app.agents.streams import CHUNK, PIPE_SIZE, Inbox, ReadPipe

PORTIONS = [bytes([number]) * CHUNK for number in range(100)]


def test_much_is_taken_at_once_and_handed_on_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "INBOX_LIMIT", 10 * CHUNK)  # the rest goes through a file
    fed: list[bytes] = []

    async def main() -> None:
        inbox = Inbox(fed.append, tmp_path)
        for portion in PORTIONS:
            inbox.put(portion)
        inbox.put(b"the rest")
        assert fed == []
        await inbox.emptied()

    asyncio.run(main())
    assert fed == [*PORTIONS, b"the rest"]


def test_others_have_their_turn_between_two_portions(tmp_path):
    fed: list[bytes] = []
    seen: list[int] = []

    async def main() -> None:
        inbox = Inbox(fed.append, tmp_path)
        for portion in PORTIONS:
            inbox.put(portion)
        while len(fed) < len(PORTIONS):
            seen.append(len(fed))
            await asyncio.sleep(0)

    asyncio.run(main())
    assert len(seen) >= len(PORTIONS)


def test_a_little_is_handed_on_without_waiting(tmp_path):
    fed: list[bytes] = []

    async def main() -> None:
        inbox = Inbox(fed.append, tmp_path)
        inbox.put(b"one")
        inbox.put(b"two")
        assert fed == [b"one", b"two"]
        await inbox.emptied()

    asyncio.run(main())


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
