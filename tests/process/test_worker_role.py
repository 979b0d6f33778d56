"""The README's recipe: a job processor whose database role cannot touch users or trust."""

import os
import re
from urllib.parse import urlsplit

import pytest

from tests.postgres import server_url, with_database
from tests.process.site import ROOT

psycopg = pytest.importorskip("psycopg", reason="psycopg is missing: pip install -e '.[test]'")
NAME = f"pokecode_worker_{os.getpid()}"


def _recipe() -> str:
    (found,) = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return found.replace("pokecode_worker", NAME)


@pytest.fixture
def database(site):
    """A migrated database of its own, and the README's role in it; yields the role's URL."""
    url = server_url()
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {NAME}")
        try:
            owners = with_database(url, NAME)
            site.environment["DATABASE_URL"] = owners
            site.manage("migrate", "--verbosity=0")
            with psycopg.connect(owners) as link:
                link.execute(_recipe())
            yield owners.replace(urlsplit(url).netloc, _as_worker(url))
        finally:
            server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
            server.execute(f"DROP ROLE IF EXISTS {NAME}")


def _as_worker(url: str) -> str:
    return f"{NAME}:…@{urlsplit(url).netloc.rpartition('@')[2]}"


def test_the_roles_worker_runs_jobs_and_cannot_change_who_may_do_what(site, database):
    site.submit(site.session(), "Hello")
    site.drain(DATABASE_URL=database)
    assert '"completed": 1' in site.manage("queue_status", "--json").stdout
    with psycopg.connect(database, autocommit=True) as worker:
        for needed in (
            "UPDATE job_requests SET closed_at = now(), closed_why = 'answered'",
            "UPDATE job_steers SET sent_at = NULL, read_at = NULL, own_job_id = NULL",
            "DELETE FROM job_drafts",
            "DELETE FROM prompt_images",
            "INSERT INTO job_options SELECT * FROM job_options",
            "SELECT * FROM session_options",
        ):
            worker.execute(needed)
        for forbidden in (
            "SELECT * FROM auth_user",
            "UPDATE auth_user SET is_superuser = true",
            "INSERT INTO auth_group (name) VALUES ('x')",
            "INSERT INTO project_trusts VALUES ('/', 'me', now())",
            "SELECT * FROM django_session",
            "UPDATE job_requests SET answer = 'allow'",
            "UPDATE session_options SET approvals = 'deny'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute(forbidden)
