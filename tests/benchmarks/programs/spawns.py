"""Bare processes a second, so many at once."""

import asyncio
import time


def main(command: str, count: int, concurrency: int) -> float:
    began = time.perf_counter()
    asyncio.run(_spawn_all(command, count, concurrency))
    return count / (time.perf_counter() - began)


async def _spawn_all(command: str, count: int, concurrency: int) -> None:
    numbers = iter(range(count))

    async def spawn_in_turn() -> None:
        for _ in numbers:
            process = await asyncio.create_subprocess_exec(command)
            await process.wait()

    await asyncio.gather(*(spawn_in_turn() for _ in range(concurrency)))
