"""An agent that has reported its end and stays: it may not hold its session for ever."""

import asyncio
from collections.abc import Callable

EXIT_PATIENCE = 10.0
"""Seconds that an agent has to exit once it has reported its end: claude 2.1.197 takes 5 s."""


class Overdue:
    """Ends such an agent; `end` does so, and returns False if it had exited by itself."""

    def __init__(self, end: Callable[[], bool]) -> None:
        self._end = end
        self._timer: asyncio.TimerHandle | None = None
        self.is_ended = False

    def update(self, is_over: bool) -> None:
        """Whether the agent has reported its end and nothing since; call it in the event loop."""
        if not is_over:
            self.forget()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EXIT_PATIENCE, self._on_time)

    def forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self.is_ended = self._end()

    def note(self, agent: str) -> str:
        """What the transcript should tell of it."""
        patience = f"{EXIT_PATIENCE:g} s"
        return f"{agent} reported success and had not exited {patience} later: it was ended."
