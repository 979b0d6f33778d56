"""The entry point that `manage.py` and the installed `pokecode` command share."""

import errno
import os
import sys
from typing import NoReturn

from pokecode_site.conf import streams
from pokecode_site.serve import parent


def main() -> None:
    """Run one management command.

    A wrong setting ends it with one line and exit code 2, a failure of the
    database with one line and exit code 1 (`--traceback` shows where it happened).
    """
    streams.open_closed()
    if os.environ.pop(parent.ATTACHED, None):
        parent.follow_parent()
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    from pokecode_site.conf import start

    try:
        start.prepare()
        settings.configured or settings.INSTALLED_APPS  # noqa: B018 - reads every setting now
    except ImproperlyConfigured as error:
        _end(str(error), 2)
    _run_command()


def _run_command() -> None:
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    from pokecode_site.conf import database

    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever reads the output has seen enough
        _discard_output()
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename:
            raise
        _discard_output()
        _end("The output cannot be written: its disk is full.", 1)
    except DatabaseError as error:
        sentence = database.explain(error)
        if sentence is None or "--traceback" in sys.argv:
            raise
        _end(sentence, 1)


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(sentence: str, code: int) -> NoReturn:
    sys.stderr.write(f"pokecode: {sentence}\n")
    sys.exit(code)
