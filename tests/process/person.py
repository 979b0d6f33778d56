"""A person who answers and tells things, from a process of their own that stays for a test."""

import json
import subprocess
from typing import Any

from tests.process.site import MANAGE, Site

ACTS = """
import json, sys
from django.core.exceptions import ValidationError
from jobs_app import answers, queue, steering
from jobs_app.models import Job, JobRequest

WHERE = {
    **dict.fromkeys(("allow", "deny", "reply"), (answers, JobRequest)),
    **dict.fromkeys(("steer", "interrupt"), (steering, Job)),
    "cancel": (queue, Job),
}
for line in sys.stdin:
    act, id, choices = json.loads(line)
    try:
        module, of = WHERE[act]
        getattr(module, act)(of.objects.get(pk=id), **choices)
        print("done", flush=True)
    except ValidationError as error:
        print("; ".join(error.messages), flush=True)
"""


class Person:
    """Each act is the function of that name in `jobs_app.answers`, `steering` or `queue`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __enter__(self) -> "Person":
        self._process = subprocess.Popen(
            [*MANAGE, "shell", "--no-imports", "-c", ACTS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._site.environment,
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate(timeout=30)

    def act(self, verb: str, id: str, **choices: Any) -> None:
        """Do it to the request or job; fails the test if it is refused."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([verb, id, choices]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer == "done", f"{verb}: {answer}"
