"""What an agent is just writing, passed on a few times a second and not piece by piece."""

import asyncio
from collections.abc import Callable

INTERVAL = 0.2
"""Seconds between two versions of a run's draft."""

LIMIT = 16_000
"""Characters of a draft that are passed on: its end."""


class Drafts:
    """`store` gets the draft, "" once its message has come."""

    def __init__(self, store: Callable[[str], None]) -> None:
        self._store = store
        self._text = ""
        self._pieces: list[str] = []
        self._is_stored = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        if self._timer is None:
            self._pass_on()
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._on_time)

    def end(self) -> None:
        """The whole message has come, or never will."""
        self._text = ""
        self._pieces.clear()
        if self._is_stored:
            self._is_stored = False
            self._store("")

    def _on_time(self) -> None:
        self._timer = None
        if self._pieces:
            self._pass_on()
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._on_time)

    def _pass_on(self) -> None:
        self._text = (self._text + "".join(self._pieces))[-LIMIT:]
        self._pieces.clear()
        self._is_stored = True
        self._store(self._text)
