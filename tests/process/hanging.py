"""`manage.py` where a project's disk hangs: `python -m tests.process.hanging DIRECTORY GATE …`.

A call of the system that names something in DIRECTORY comes back once GATE exists.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any


def main() -> None:
    directory, gate = sys.argv.pop(1), sys.argv.pop(1)
    stat = os.stat

    def hang() -> None:
        while True:
            with suppress(FileNotFoundError):
                stat(gate)
                return
            time.sleep(0.01)

    def hanging(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def wrapper(path: Any, *arguments: Any, **options: Any) -> Any:
            if not isinstance(path, int) and os.fspath(path).startswith(directory):
                hang()
            return call(path, *arguments, **options)

        return wrapper

    for name in ("stat", "lstat", "open", "scandir", "listdir", "readlink"):
        setattr(os, name, hanging(getattr(os, name)))
    from pokecode_site.cli import main as manage

    manage()


if __name__ == "__main__":
    main()
