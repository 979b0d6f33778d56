"""What an agent is just writing, passed on a few times a second and not piece by piece."""

import asyncio
from typing import Protocol

from jobs_app.talk import Drafting

INTERVAL = 0.2
"""Seconds between two versions of a run's draft."""

LIMIT = 16_000
"""Characters of a draft that are passed on: its end."""


class Store(Protocol):
    def __call__(self, draft: Drafting, *, is_first: bool) -> None: ...


class Drafts:
    """`store` gets the draft as it grows, an empty one once its message has come."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._draft = Drafting("")
        self._pieces: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        if self._timer is None:
            self._pass_on()

    def end(self) -> None:
        """The whole message has come, or never will."""
        self._pieces.clear()
        if self._draft.text:
            self._draft = Drafting("")
            self._store(self._draft, is_first=False)

    def _pass_on(self) -> None:
        is_first = not self._draft.text
        whole = self._draft.text + "".join(self._pieces)
        self._pieces.clear()
        text = whole[-LIMIT:]
        self._draft = Drafting(text, self._draft.start + len(whole) - len(text))
        self._store(self._draft, is_first=is_first)
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._pieces:
            self._pass_on()
