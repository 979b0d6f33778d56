"""Markdown within limits of time: whatever a text holds, its page is not held up.

The parser and the lexers take minutes for some texts of a few kilobytes, and not only for hostile
ones. So another process renders them, each within a limit, and the texts of a page have
one in common. What is not ready by then is shown as it was written.
"""

import atexit
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import IO, cast

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from sessions_app.display.markdown_process import TEXT_SECONDS

PAGE_SECONDS = 0.5
"""For all texts of a page: processor time, and the time for which other pages' texts go first."""

PATIENCE = 5.0
"""Seconds after which a process that does not answer, as on a machine that swaps, is given up."""

KNOWN_LIMIT = 512
"""Texts whose HTML is remembered, plain or not."""

COMMAND = [sys.executable, "-P", "-m", "sessions_app.display.markdown_process"]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Budget:
    """The time that is left for the texts of one page."""

    seconds: float = PAGE_SECONDS


class NoAnswer(Exception):
    """The process has ended, cannot be started, or is too slow."""


class Renderer:
    """One process for all threads of this one, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._known: dict[str, SafeString] = {}

    def render(self, text: str, budget: Budget) -> SafeString:
        """Safe HTML of Markdown text; the text as it is if it takes too long or nothing is left of
        the budget."""
        known = self._known.get(text)
        return self._new(text, budget) if known is None else known

    def _new(self, text: str, budget: Budget) -> SafeString:
        if budget.seconds <= 0:
            return _plain(text)
        began = time.monotonic()
        is_ours = self._lock.acquire(timeout=budget.seconds)
        budget.seconds -= time.monotonic() - began
        if not is_ours:
            return _plain(text)
        try:
            return self._remember(text, self._ask(text, budget))
        except NoAnswer as error:
            logger.warning("A text is shown without its Markdown: %s.", error)
            self._end()
            budget.seconds = 0
            return _plain(text)
        finally:
            self._lock.release()

    def _remember(self, text: str, html: SafeString) -> SafeString:
        while len(self._known) >= KNOWN_LIMIT:
            del self._known[next(iter(self._known))]
        self._known[text] = html
        return html

    def _ask(self, text: str, budget: Budget) -> SafeString:
        """Takes its time from the budget. Raises NoAnswer."""
        try:
            self._process = self._process or _start()
            answer = _exchange(self._process, text)
        except (OSError, ValueError) as error:
            raise NoAnswer(f"the process that renders it failed ({error})") from error
        html, seconds = answer or (None, TEXT_SECONDS)
        budget.seconds -= seconds
        return _plain(text) if html is None else mark_safe(html)  # noqa: S308 - nh3's allow-list

    def _end(self) -> None:
        if self._process is not None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with suppress(OSError):
                self._process.communicate()
            self._process = None

    def close(self) -> None:
        with self._lock:
            self._end()


def _plain(text: str) -> SafeString:
    return format_html("<pre>{}</pre>", text)


def _exchange(process: "subprocess.Popen[bytes]", text: str) -> tuple[str, float] | None:
    """The HTML and the time it took, None if the text took too long."""
    stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    stdin.write(json.dumps(text).encode() + b"\n")
    stdin.flush()
    answers = select.poll()  # unlike select.select, for any number of open connections
    answers.register(stdout, select.POLLIN)
    if not answers.poll(PATIENCE * 1000):
        raise NoAnswer("the process that renders it does not answer")
    answer: tuple[str, float] | None = json.loads(stdout.readline())
    return answer


def _start() -> subprocess.Popen[bytes]:
    """With the modules of this process and nothing else of its environment, which holds secrets;
    in a process group of its own, so that a terminal's Ctrl-C leaves it to us."""
    return subprocess.Popen(  # noqa: S603 - our own program
        COMMAND,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


_renderer = Renderer()
render, close = _renderer.render, _renderer.close
atexit.register(close)
