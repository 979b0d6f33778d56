"""The time that an agent has for its work: what it waits for a person is not counted."""

import asyncio
from collections.abc import Callable


class TimeLimit:
    """Calls `on_end` once the seconds are used up; it begins to run at once."""

    def __init__(self, seconds: float, on_end: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = seconds
        self._on_end = on_end
        self._timer: asyncio.TimerHandle | None = None
        self.go_on()

    def pause(self) -> None:
        if self._timer is not None:
            self._left = max(0.0, self._timer.when() - self._loop.time())
            self._timer.cancel()
            self._timer = None

    def go_on(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._left, self._on_end)
