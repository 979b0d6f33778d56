"""Workers of several hosts on one PostgreSQL database, and a host that loses its way to it."""

import json
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.postgres import server_url, with_database
from tests.process.link import Link
from tests.process.site import ROOT, Database, Site, directive, processes_of_run, stop, wait_for

psycopg = pytest.importorskip("psycopg", reason="psycopg is missing: pip install -e '.[test]'")


class PostgreSQL(Database):
    """A database on the tests' server, in the place of the file."""

    def rows(self, query, parameters):
        from psycopg.rows import dict_row

        with psycopg.connect(self.environment["DATABASE_URL"], row_factory=dict_row) as link:
            return link.execute(query.replace("?", "%s"), parameters).fetchall()


@pytest.fixture
def site(tmp_path, migrated_data_directory) -> Iterator[Site]:
    url = server_url()
    name = f"pokecode_{secrets.token_hex(4)}"
    database = PostgreSQL(tmp_path, migrated_data_directory)
    database.environment = {"DATABASE_URL": with_database(url, name), "PYTHONPATH": str(ROOT)}
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            site = Site(tmp_path, database)
            site.manage("migrate", "--verbosity=0")
            yield site
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def link(site) -> Iterator[Link]:
    link = Link(site.environment["DATABASE_URL"])
    yield link
    link.close()


def on(host):
    """`manage.py` on that host."""
    return (sys.executable, "-m", "tests.process.elsewhere", host)


@contextmanager
def worker_on(site, host, **environment):
    with site.worker(program=on(host), **environment) as worker:
        wait_for(lambda: host in hosts(site, alive=True) or worker.poll() is not None)
        yield worker


def snapshot(site):
    return json.loads(site.manage("queue_status", "--json").stdout)


def hosts(site, *, alive):
    return {each["host"] for each in snapshot(site)["workers"] if each["alive"] is alive}


def test_a_session_stays_on_its_host_until_it_is_moved(site):
    first, second = site.session("one"), site.session("two")
    with worker_on(site, "alpha") as alpha:
        site.wait_for_status(site.submit(first, "Begin"), "completed")
        with worker_on(site, "beta"):
            jobs = [site.submit(first, "Go on") for _ in range(5)]
            for job in jobs:
                site.wait_for_status(job, "completed")
            assert {run["host"] for job in jobs for run in site.attempts(job)} == {"alpha"}
            stop(alpha, signal.SIGKILL)
            waiting = site.submit(first, "Go on without alpha")
            site.wait_for_status(site.submit(second, "Begin"), "completed")
            wait_for(lambda: hosts(site, alive=False) == {"alpha"})
            assert snapshot(site)["hosts_without_worker"] == ["alpha"]
            assert site.job(waiting)["status"] == "pending"
            site.manage("move_session", first, "beta")
            site.wait_for_status(waiting, "completed")
    assert [run["host"] for run in site.attempts(waiting)] == ["beta"]


@pytest.mark.parametrize("at", ["alpha", "beta"])
def test_what_a_killed_worker_left_ends_when_its_session_is_moved_or_its_host_is_back(
    site, tmp_path, at
):
    session = site.session()
    job = site.submit(session, directive(sleep=600, spawn_detached=str(tmp_path / "pid")))
    with worker_on(site, "alpha") as alpha:
        wait_for(lambda: (tmp_path / "pid").exists())
        stop(alpha, signal.SIGKILL)
    [run] = site.attempts(job)
    wait_for(lambda: hosts(site, alive=False) == {"alpha"})
    site.manage("move_session", session, "beta", program=on(at))
    assert site.job(job)["status"] == "pending"
    if at == "beta":  # nothing there can reach them
        assert processes_of_run(run["id"])
        with worker_on(site, "alpha"):
            wait_for(lambda: not processes_of_run(run["id"]))
    assert processes_of_run(run["id"]) == []
    assert [run["outcome"] for run in site.attempts(job)] == ["lost"]


@pytest.mark.parametrize("silently", [False, True], ids=["refused", "silent"])
def test_a_worker_that_is_cut_off_has_ended_its_agents_when_others_count_it_as_gone(
    site, link, tmp_path, silently
):
    quick = tmp_path / "quick"
    wanted = {"sleep": 600, "ignore_signals": True, "spawn_detached": str(tmp_path / "pid")}
    job = site.submit(site.session(), directive(**wanted, quick_if=str(quick)))
    patient = {"POKECODE_WORKER_TIMEOUT": "6"}
    site.environment.update(patient)
    with worker_on(site, "alpha", DATABASE_URL=link.url):
        wait_for(lambda: (tmp_path / "pid").exists())
        [run] = site.attempts(job)
        link.cut(silently=silently)
        assert processes_of_run(run["id"])
        wait_for(lambda: hosts(site, alive=False) == {"alpha"})
        assert processes_of_run(run["id"]) == []
        assert site.job(job)["status"] == "processing"
        quick.touch()
        link.restore()
        site.wait_for_status(job, "completed")
    lost, done = site.attempts(job)
    assert (lost["outcome"], done["outcome"]) == ("lost", "succeeded")
    assert "cut off from its database" in lost["error"]


def test_an_idle_worker_stops_in_order_while_the_database_is_away(site, link):
    with worker_on(site, "alpha", DATABASE_URL=link.url) as worker:
        link.cut(silently=False)
        wait_for(lambda: "did not answer" in site.log())
        assert stop(worker, signal.SIGTERM) == 0


def test_a_copied_database_runs_nothing_until_it_is_adopted(site):
    session = site.session()
    site.submit(session, "Hello")
    site.drain()
    waiting = site.submit(session, "Later.")
    original = site.environment["DATABASE_URL"]
    name = original.rpartition("/")[2]
    copy = with_database(original, f"{name}_copy")
    with psycopg.connect(with_database(original, "postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
        try:
            done = site.manage("process_jobs", "--drain", check=False, DATABASE_URL=copy)
            assert done.returncode == 1
            assert "This database is a copy" in done.stderr and "Traceback" not in done.stderr
            site.manage("adopt_database", DATABASE_URL=copy)
            site.drain(DATABASE_URL=copy)
            with psycopg.connect(copy) as link:
                query = "SELECT status FROM job_queue WHERE id = %s"
                assert link.execute(query, [waiting]).fetchone() == ("completed",)
        finally:
            server.execute(f"DROP DATABASE {name}_copy WITH (FORCE)")
    assert site.job(waiting)["status"] == "pending"
    site.drain()
