"""What a worker's own heartbeats say about itself and about the others."""

import time

CUT_OFF_SHARE = 7 / 12
"""Of the worker timeout: what is left is time to notice, to end the agents and to clean up."""


class Pulse:
    """Times of the heartbeats that were written."""

    def __init__(self, worker_timeout: float) -> None:
        self._timeout = worker_timeout
        self._began = time.monotonic()
        self._written = self._regular_since = _since_boot()

    def beat(self, began: float) -> None:
        """One that was asked for at `began`, by time.monotonic, has been written."""
        if not self._is_regular:
            self._regular_since = _since_boot()
        self._began, self._written = began, _since_boot()

    @property
    def is_cut_off(self) -> bool:
        """So long without a heartbeat that there is just time to end the agents before others
        may take over."""
        silent = time.monotonic() - self._began
        return silent >= self._timeout * CUT_OFF_SHARE

    @property
    def may_judge_silence(self) -> bool:
        """Whether a worker that is not heard of is gone: what keeps us from beating may keep the
        others too, and they get some time for it behind that."""
        regular = _since_boot() - self._regular_since
        return self._is_regular and regular >= self._timeout / 3

    @property
    def _is_regular(self) -> bool:
        return _since_boot() - self._written < self._timeout / 2


def _since_boot() -> float:
    """Seconds, those included that the machine slept: heartbeats are judged by the time of day."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.monotonic() if clock is None else time.clock_gettime(clock)
