"""Standard streams that were closed when we were started, as by `>&-` or some service managers."""

import os
import sys

STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_closed() -> None:
    """Open the null device in their place.

    Otherwise the next file that is opened, the database maybe, gets their number and is read
    or written as a standard stream, by us or by a program that we start.
    """
    for number, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, this one
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, errors="replace"))  # noqa: SIM115 - as long as we run
