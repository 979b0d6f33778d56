"""Sessions and jobs, as many as a benchmark needs."""

from collections.abc import Sequence

from django.db import transaction

from jobs_app import queue
from jobs_app.models import Job
from sessions_app.models import Session


def sessions(directory: str, count: int) -> list[Session]:
    with transaction.atomic():
        return [
            Session.objects.create_for_path(directory, name=f"Session {number}")
            for number in range(count)
        ]


def enqueue(subjects: Sequence[Session], count: int, max_attempts: int = 3) -> list[Job]:
    """So many jobs, dealt out to the sessions in turn, in one transaction."""
    with transaction.atomic():
        return [
            queue.enqueue(subjects[number % len(subjects)], "Work.", max_attempts=max_attempts)
            for number in range(count)
        ]
