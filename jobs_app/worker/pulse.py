"""What a worker's own heartbeats say about itself and about the others."""

import time

CUT_OFF_SHARE = 7 / 12
"""Of the worker timeout: what is left is time to notice, to end the agents and to clean up."""


class Pulse:
    """When heartbeats were written."""

    def __init__(self, worker_timeout: float) -> None:
        self._timeout = worker_timeout
        self._began = time.monotonic()
        self._written = self._regular_since = _since_boot()

    def beat(self, began: float) -> None:
        """The one that was asked for at `began` (time.monotonic) has been written."""
        if not self._is_regular:
            self._regular_since = _since_boot()
        self._began, self._written = began, _since_boot()

    @property
    def is_cut_off(self) -> bool:
        """Whether it has been so long without a heartbeat that there is only just time to end the
        agents before others may take over."""
        silent = time.monotonic() - self._began
        return silent >= self._timeout * CUT_OFF_SHARE

    @property
    def may_judge_silence(self) -> bool:
        """Whether a worker that is not heard from is gone: what keeps our heartbeat from being
        written may delay those of others too, and they get some time to catch up after it."""
        regular = _since_boot() - self._regular_since
        return self._is_regular and regular >= self._timeout / 3

    @property
    def _is_regular(self) -> bool:
        return _since_boot() - self._written < self._timeout / 2


def _since_boot() -> float:
    """Seconds, including those that the machine slept: heartbeats are judged by the time of day."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.monotonic() if clock is None else time.clock_gettime(clock)
