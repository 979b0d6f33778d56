"""The README's recipe that keeps agents away from logins: a database role for the job processor."""

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.postgres import server_url, with_database
from tests.process.site import ROOT, Site, directive

psycopg = pytest.importorskip("psycopg", reason="psycopg is missing: pip install -e '.[test]'")
sql = pytest.importorskip("psycopg.sql")

PRIVATE = ("auth_user", "auth_user_groups", "django_session", "django_admin_log")


def recipe() -> str:
    """The SQL that the README tells people to run."""
    (found,) = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return found


@dataclass(frozen=True)
class Server:
    owner: str
    worker: str


def with_login(url: str, login: str) -> str:
    host = urlsplit(url).netloc.rpartition("@")[2]
    return urlsplit(url)._replace(netloc=f"{login}@{host}").geturl()


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    """A migrated database and a role made by the recipe, under names of their own."""
    url, suffix = server_url(), secrets.token_hex(4)
    name, role, password = f"pokecode_{suffix}", f"pokecode_worker_{suffix}", secrets.token_hex(16)
    owner = with_database(url, name)
    statements = recipe().replace("pokecode_worker", role).replace("'…'", f"'{password}'")
    database, user = sql.Identifier(name), sql.Identifier(role)
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(database))
        try:
            site.manage("migrate", "--verbosity=0", DATABASE_URL=owner)
            with psycopg.connect(owner, autocommit=True) as link:
                link.execute(statements)
            yield Server(owner, with_login(owner, f"{role}:{password}"))
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
            admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(user))


def test_a_worker_with_the_role_of_the_recipe_runs_jobs(site: Site, server: Server):
    site.environment["DATABASE_URL"] = server.owner
    site.submit(site.session(), directive())
    site.drain(DATABASE_URL=server.worker)
    status = json.loads(site.manage("queue_status", "--json").stdout)
    assert status["jobs"]["completed"] == 1, status


def test_the_role_of_the_recipe_cannot_touch_logins_or_trust(server: Server):
    with psycopg.connect(server.worker, autocommit=True) as link:
        for table in PRIVATE:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                link.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute("INSERT INTO project_trusts VALUES ('/', 'me', now())")
