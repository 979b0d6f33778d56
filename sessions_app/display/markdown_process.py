"""The process in which `confined` has Markdown rendered: a line of JSON in, a line of JSON out.

A child does the work, and the kernel ends it when a text has used up its processor time: a
regular expression that is matching can be stopped in no other way. Then `null` is the answer,
and another child, which costs no start of Python, takes the next text.
"""

import json
import os
import signal
import sys
import time
from typing import Any

from sessions_app.display import markdown

TEXT_SECONDS = 0.2
"""Processor time for one text; ordinary code of 20,000 characters takes a tenth of it."""


def main() -> None:
    is_over = False
    while not is_over:
        child = os.fork()
        if child == 0:
            _serve()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        is_over = status == 0
        if not is_over:
            _answer(None)


def _serve() -> None:
    for line in iter(sys.stdin.readline, ""):
        before = time.process_time()
        text = json.loads(line)
        markdown.load(text)  # else a child that is ended while it loads one loads it never
        signal.setitimer(signal.ITIMER_PROF, TEXT_SECONDS)
        html = markdown.render(text)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _answer([html, time.process_time() - before])


def _answer(answer: list[Any] | None) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
