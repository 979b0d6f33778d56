"""Lines that a person types while something else is going on."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


@asynccontextmanager
async def typed_lines(
    descriptor: int, take: Callable[[str], Awaitable[None]]
) -> AsyncIterator[None]:
    """Meanwhile `take` is awaited with each line that comes from the terminal, in order."""
    lines: asyncio.Queue[str] = asyncio.Queue()
    rest = b""

    def read() -> None:
        nonlocal rest
        data = os.read(descriptor, 65536)
        if not data:  # Ctrl-D: the person watches from now on
            loop.remove_reader(descriptor)
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            lines.put_nowait(line.decode(errors="replace"))

    async def pass_on() -> None:
        while True:
            await take(await lines.get())

    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, read)
    passing = asyncio.ensure_future(pass_on())
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        passing.cancel()
