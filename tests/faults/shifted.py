"""`manage.py` with a clock that can be set back: `python -m tests.faults.shifted SWITCH …`.

The clock is as many seconds behind as the file SWITCH says at each moment. It is
the clock of this process alone, as Python sees it: `time.time`, Django's
`timezone.now` and the time in row ids. Not shifted are the database's own clock,
the agents', and what C code or `datetime.now` reads. The monotonic clock keeps running, as it
does in reality.
"""

import sys
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import uuid_utils
from django.utils import timezone

MILLISECONDS_IN_UUID = 80
"""Bits below a UUIDv7's milliseconds since 1970 (RFC 9562, 5.7)."""


class Clock:
    def __init__(self, switch: Path) -> None:
        self._switch = switch
        self._time = time.time
        self._now = timezone.now
        self._uuid7 = uuid_utils.uuid7
        self._last_id = 0

    def install(self) -> None:
        """Call this before anything else has taken a reference to what is replaced."""
        time.time = lambda: self._time() - self._behind()
        timezone.now = lambda: self._now() - timedelta(seconds=self._behind())
        uuid_utils.uuid7 = self._new_id  # type: ignore[assignment]

    def _behind(self) -> int:
        return int(self._switch.read_text())

    def _new_id(self) -> UUID:
        """Increasing within the process even when the clock is set back, as the library's are."""
        shifted = self._uuid7().int - (1000 * self._behind() << MILLISECONDS_IN_UUID)
        self._last_id = max(shifted, self._last_id + 1)
        return UUID(int=self._last_id)


def main() -> None:
    Clock(Path(sys.argv.pop(1))).install()
    from pokecode_site.cli import main as manage

    manage()


if __name__ == "__main__":
    main()
