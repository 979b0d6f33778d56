"""A person who queues prompts, answers and tells things, in few processes for many sessions."""

import json
import subprocess
from collections.abc import Iterable
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


QUEUE = """
import json, sys
from django.core.management import call_command
from io import StringIO

def printed(*arguments):
    call_command(*arguments, stdout=(out := StringIO()))
    return out.getvalue().strip()

queued = {}
for name, provider, prompt in json.loads(sys.stdin.read()):
    session = printed("create_session", PROJECTS + "/" + name, "--provider", provider)
    queued[name] = [session, printed("submit_prompt", session, prompt)]
print(json.dumps(queued))
"""


def queue(site: Site, wanted: Iterable[tuple[str, str, str]]) -> dict[str, tuple[str, str]]:
    """For each project's name, provider and prompt: the name, with its session and job."""
    code = f"PROJECTS = {str(site.projects)!r}\n{QUEUE}"
    printed = site.manage("shell", "-c", code, stdin=json.dumps(list(wanted)).encode()).stdout
    return {name: tuple(ids) for name, ids in json.loads(printed.splitlines()[-1]).items()}


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
