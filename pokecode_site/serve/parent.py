"""The job processor as a child of `up`: it stops when its parent is gone, even by kill -9."""

import os
import signal
import threading

ATTACHED = "POKECODE_ATTACHED"
"""Set in the environment of a process whose standard input is a pipe that its parent holds."""


def follow_parent() -> None:
    """Stop this process cleanly, agents included, when its standard input closes."""
    threading.Thread(target=_stop_with_parent, name="parent", daemon=True).start()


def ask_to_stop(pid: int) -> None:
    """Drain, then interrupt: with two different signals, as two of a kind may arrive as one."""
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)


def _stop_with_parent() -> None:
    while os.read(0, 1):  # the parent never writes: this returns at the end of the pipe
        pass
    ask_to_stop(os.getpid())
