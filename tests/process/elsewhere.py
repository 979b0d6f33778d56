"""`manage.py` as on a host of another name: `python -m tests.process.elsewhere NAME …`."""

import socket
import sys


def main() -> None:
    name = sys.argv.pop(1)
    socket.gethostname = lambda: name
    from pokecode_site.cli import main as manage

    manage()


if __name__ == "__main__":
    main()
