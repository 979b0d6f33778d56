"""What the commands share: numbers that people type."""

import argparse
from collections.abc import Callable


def whole_number(maximum: int) -> Callable[[str], int]:
    """A type for argparse: from 1 to `maximum`, which is that of the setting of the same kind."""

    def convert(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= maximum:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {maximum}")

    return convert
