"""The people of a run: they answer what agents ask, and tell them things."""

import threading
import time
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection

from jobs_app import answers, steering
from jobs_app.models import JobAttempt, JobRequest

if TYPE_CHECKING:
    from tests.faults.world import World

PATIENCE = 60.0
"""Seconds for which a database that is in trouble is tried again."""


class People:
    """`answers` are those that were taken, by request (how it was answered); `words` what agents
    were told, with the session of each."""

    def __init__(self, world: "World") -> None:
        self.answers: dict[str, str] = {}
        self.words: dict[str, str] = {}
        self._world = world
        self._random = world.random

    def answer_all(self, at_most: int = 100) -> int:
        """Answer what is asked now, one way or another; returns how many were answered."""
        found = self._world.without_database_trouble(
            lambda: list(JobRequest.objects.unanswered().order_by("pk")[:at_most])
        )
        ways = ("allow", "allow", "change", "deny")
        return sum(self.answer(request, self._random.choice(ways)) for request in found or ())

    def answer(self, request: JobRequest, how: str) -> bool:
        """Whether the answer counts. A database that is in trouble is asked again."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                self._give(JobRequest.objects.get(pk=request.pk), how)
            except ValidationError:
                return self._is_ours(request, how)
            except DatabaseError:
                connection.close()
                time.sleep(0.1)
            else:
                self.answers[request.pk] = how
                return True
            finally:
                if threading.current_thread() is not threading.main_thread():
                    connection.close()
        return False

    def _is_ours(self, request: JobRequest, how: str) -> bool:
        """Our first try may have been stored although we were not told so."""
        if JobRequest.objects.filter(pk=request.pk, answered_by=how).exists():
            self.answers[request.pk] = how
            return True
        return False

    def _give(self, request: JobRequest, how: str) -> None:
        match how:
            case "allow":
                answers.allow(request, by=how)
            case "change":
                command = f"{request.asked.input['command']} # changed"
                answers.allow(request, input={"command": command}, by=how)
            case _:
                answers.deny(request, why="No.", by=how)

    def tell_all(self) -> int:
        """Tell each running agent something; returns how many were told."""
        for run in list(JobAttempt.objects.open().select_related("job")):
            word = f"word-{len(self.words)}"
            steering.steer(run.job, word, by="person")
            self.words[word] = run.session_id
        return len(self.words)
