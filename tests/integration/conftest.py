"""Workers and sessions for the tests of the queue."""

from collections.abc import Callable

import pytest

from jobs_app.models import Job
from jobs_app.worker.upkeep import new_worker
from tests.leasing import claim


@pytest.fixture
def worker(db):
    row = new_worker("test", concurrency=4)
    row.save()
    return row


@pytest.fixture
def make_session(db, tmp_path) -> Callable[..., object]:
    """Sessions, each in a directory of its own."""
    from sessions_app.models import Session

    def make(name: str = "one", **options):
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        return Session.objects.create_for_path(directory, **options)

    return make


@pytest.fixture
def attempt(session, worker):
    """A job of the session, taken by the worker."""
    Job.objects.enqueue(session, "Do it")
    [running] = claim(worker)
    return running


@pytest.fixture
def codex_attempt(make_session, worker):
    Job.objects.enqueue(make_session("two", provider="codex-cli"), "Do it")
    [running] = claim(worker)
    return running
