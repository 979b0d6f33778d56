"""Lines that a person types while something else is going on."""

import asyncio
import os
import select
import termios
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from threading import Lock

from asgiref.sync import sync_to_async


class TypedLines:
    """What is typed at a terminal, until it is taken."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[str] = deque()
        self._rest = b""
        self._have_come = asyncio.Event()
        self._reading = Lock()

    @asynccontextmanager
    async def taken_by(self, take: Callable[[str], None]) -> AsyncIterator[None]:
        """Meanwhile `take` is called with each line, in order, where it may use the database. Its
        exception ends what goes on meanwhile, and is raised here."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._descriptor, self._read)
        try:
            async with asyncio.TaskGroup() as tasks:
                passing = tasks.create_task(self._pass_on(take))
                yield
                passing.cancel()
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            loop.remove_reader(self._descriptor)

    def drop(self) -> None:
        """Forget what was typed so far and is not taken yet, also where no Enter followed it. To
        be called where `take` is called."""
        with self._reading:
            if self._is_typed_to_us():
                with suppress(termios.error):  # it has been closed
                    termios.tcflush(self._descriptor, termios.TCIFLUSH)
            self._rest = b""
            self._lines.clear()

    async def _pass_on(self, take: Callable[[str], None]) -> None:
        while True:
            await self._have_come.wait()
            self._have_come.clear()
            await sync_to_async(self._hand_over)(take)

    def _hand_over(self, take: Callable[[str], None]) -> None:
        while self._lines:
            take(self._lines.popleft())

    def _read(self) -> None:
        with self._reading:
            # What there was may have been dropped: a read would wait for more.
            if select.select([self._descriptor], [], [], 0)[0]:
                self._split(os.read(self._descriptor, 65536))

    def _split(self, data: bytes) -> None:
        if not data:  # Ctrl-D: the person watches from now on
            asyncio.get_running_loop().remove_reader(self._descriptor)
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._lines.extend(line.decode(errors="replace") for line in whole)
        self._have_come.set()

    def _is_typed_to_us(self) -> bool:
        """In the background it is the shell that is typed to, and a flush would stop us."""
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:  # it is not the one that we were started from
            return True
