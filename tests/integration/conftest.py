"""Workers and sessions for the tests of the queue."""

from collections.abc import Callable

import pytest

from jobs_app.worker.upkeep import new_worker


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
