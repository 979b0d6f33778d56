import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, IntegrityError, OperationalError

from pokecode_site.conf import database


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hunter2@host/name",
        "oracle://user:hunter2@host/name",
        "nonsense-hunter2",
        "postgres://user:hun[ter2@host:99999999/name",
        "postgres://user:hunter2@host:port/name",
    ],
)
def test_a_url_of_no_supported_database_is_refused_without_its_password(url):
    with pytest.raises(ImproperlyConfigured, match="^DATABASE_URL[^\n]*$") as caught:
        database.configuration(url)
    assert "hun" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://:memory:", "sqlite:///relative.sqlite3"])
def test_a_database_that_is_no_file_of_its_own_is_refused(url):
    with pytest.raises(ImproperlyConfigured, match="^DATABASE_URL.*not an absolute path"):
        database.configuration(url)


def test_the_configuration_asks_for_no_file(tmp_path):
    config = database.configuration(database.url(tmp_path / "missing"))
    assert config["NAME"] == str(tmp_path / "missing" / "pokecode.sqlite3")
    with pytest.raises(ImproperlyConfigured, match="^DATABASE_URL.*not in an existing directory"):
        database.check_files(config)


def test_sqlite_keeps_its_safe_options_beside_those_of_the_url(tmp_path):
    config = database.configuration(f"sqlite:///{tmp_path}/db.sqlite3?timeout=1")
    assert config["OPTIONS"]["timeout"] == 1
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_postgresql_notices_a_silent_network_unless_the_url_says_otherwise():
    config = database.configuration("postgres://user@host/name?keepalives_idle=60")
    assert config["OPTIONS"]["keepalives_idle"] == 60
    assert config["OPTIONS"]["tcp_user_timeout"] == 30_000


def test_postgresql_without_its_driver_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'pokecode\[postgres\]'"):
        database.configuration("postgres://user@host/name")


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("database is locked", "locked by another program"),
        ("database or disk is full", "make room"),
        ("no such table: sessions", "Run `manage.py migrate` first."),
        ("unable to open database file", "check DATABASE_URL"),
        ("attempt to write a readonly database", "permissions"),
        ("file is not a database", "restore it"),
        ('connection failed: connection to server at "::1" failed: Connection refused', "start it"),
    ],
)
def test_each_trouble_says_what_to_do(message, advice):
    assert advice in str(database.explain(OperationalError(message)))


def test_postgresql_is_understood_in_every_language():
    error = DatabaseError("Relation »sessions« existiert nicht")
    error.__cause__ = psycopg.errors.UndefinedTable("Relation »sessions« existiert nicht")
    assert "Run `manage.py migrate` first." in str(database.explain(error))


@pytest.mark.parametrize(
    "error",
    [
        OperationalError('near "SELEC": syntax error'),
        IntegrityError("UNIQUE constraint failed\nDETAIL:  database is locked"),
    ],
)
def test_a_fault_of_the_program_is_not_explained_away(error):
    assert database.explain(error) is None
