"""What a page says when something fails: never how it works inside."""

import ast
import importlib.util
import json
import logging
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.sessions.serializers import JSONSerializer
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.http import Http404, HttpRequest
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.module_loading import import_string

from pokecode_site.conf import logs

REFUSALS = {
    "forbidden": PermissionDenied("not yours"),
    "missing": Http404("no such thing"),
    "bad": BadRequest("no"),
    "suspicious": SuspiciousOperation("hm"),
}


def broken(request: HttpRequest, trouble: str):
    local_secret = "hunter2"
    if trouble in REFUSALS:
        raise REFUSALS[trouble]
    if trouble == "bug":
        raise ValueError(f"secret {local_secret}")
    raise OperationalError(trouble)


urlpatterns = [path("broken/<str:trouble>", broken)]
handler500 = "pokecode_site.pages.errors.server_error"


@pytest.fixture
def page(settings):
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False).get


def test_an_unexpected_error_shows_nothing_of_the_inside(page):
    response = page("/broken/bug")
    assert response.status_code == 500
    for inside in (b"hunter2", b"ValueError", b"Traceback", b"broken", b".py", b"POKECODE"):
        assert inside not in response.content


@pytest.fixture
def logged():
    """The lines that are logged, by whichever logger."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.LineFormatter())
    loggers = [logging.getLogger(name) for name in (None, *logs.CONFIGURATION["loggers"])]
    for logger in loggers:
        logger.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("path", "status", "headers"),
    [
        ("/broken/forbidden", 403, {}),
        ("/broken/missing", 404, {}),
        ("/nowhere", 404, {}),
        ("/broken/bad", 400, {}),
        ("/broken/suspicious", 400, {}),
        ("/broken/bug", 400, {"Host": "10.0.0.7"}),
    ],
)
def test_an_expected_refusal_is_one_line_without_a_traceback(page, logged, path, status, headers):
    assert page(path, headers=headers).status_code == status
    (line,) = logged()
    assert set(line) == {"time", "level", "logger", "message"}


def test_a_bug_is_logged_with_its_traceback(page, logged):
    page("/broken/bug")
    (line,) = logged()
    assert "ValueError: secret" in line["traceback"]


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("database is locked", "The database is locked by another program"),
        ("database or disk is full", "The disk that holds the database is full"),
        ("no such table: sessions", "Run `manage.py migrate` first."),
    ],
)
def test_trouble_with_the_database_is_one_sentence(page, trouble, sentence):
    response = page(f"/broken/{trouble}")
    assert response.status_code == 503
    assert sentence in response.content.decode()
    assert len(response.content.splitlines()) == 1


@pytest.mark.asyncio
async def test_an_asynchronous_server_says_the_same(settings):
    settings.ROOT_URLCONF = __name__
    client = AsyncClient(raise_request_exception=False)
    locked, bug = await client.get("/broken/database is locked"), await client.get("/broken/bug")
    assert (locked.status_code, bug.status_code) == (503, 500)
    assert b"hunter2" not in bug.content


def test_the_debugger_of_a_development_server_cannot_be_started():
    assert importlib.util.find_spec("werkzeug") is None
    with pytest.raises(CommandError, match="Werkzeug is required"):
        call_command("runserver_plus")


def test_nothing_that_is_read_back_can_run_code():
    assert import_string(settings.SESSION_SERIALIZER) is JSONSerializer
    root = Path(__file__).parents[2]
    for app in ("pokecode_site", "sessions_app", "jobs_app"):
        for file in (root / app).rglob("*.py"):
            assert not imported(file) & {"pickle", "marshal", "shelve", "dill"}, file


def imported(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
