"""Standard input, one JSON object a line, heard while the agent does something else."""

import json
import os
import select
import time
from collections.abc import Callable
from typing import Any

CHUNK = 1 << 16


class Inbox:
    """Each object that comes is given to `on_message`; what is not an object is ignored."""

    def __init__(self, on_message: Callable[[dict[str, Any]], None]) -> None:
        self._on_message = on_message
        self._rest = b""
        self.is_closed = False

    def pause(self, seconds: float) -> None:
        """Hear what comes for so many seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self.is_closed:
                time.sleep(left)
            elif select.select([0], [], [], left)[0]:
                self._read()

    def wait(self, is_done: Callable[[], Any]) -> None:
        """Hear what comes until it is done, or nothing more can come."""
        while not is_done() and not self.is_closed:
            self._read()

    def _read(self) -> None:
        data = os.read(0, CHUNK)
        self.is_closed = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                self._on_message(message)
