"""What a page says when something fails: never how it works inside."""

import ast
import importlib.util
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.sessions.serializers import JSONSerializer
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.http import HttpRequest
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.module_loading import import_string


def broken(request: HttpRequest, trouble: str):
    local_secret = "hunter2"
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
