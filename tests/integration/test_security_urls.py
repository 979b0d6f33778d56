"""What every address of the site owes a visitor: a login, a token, and the headers."""

import re

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs_app.models import Job
from sessions_app.models import Session
from tests.integration.routes import all_paths

OPEN = {"/health/live", "/health/ready", "/admin/login/"}
STATIC = "/static/admin/css/base.css"
FOREIGN_ORIGINS = ("http://evil.example", "http://localhost:5173", "null")

HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.fixture
def paths(session: Session) -> list[str]:
    job = Job.objects.enqueue(session, "Say hello")
    found = all_paths({"object_id": session.pk, "session_id": session.pk})
    paths = [path.replace(f"/job/{session.pk}", f"/job/{job.pk}") for path in found]
    assert f"/admin/jobs_app/job/{job.pk}/change/" in paths
    assert len(paths) > 50
    return paths


@pytest.fixture
def operator(admin_user) -> Client:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(admin_user)
    return client


def assert_headers(response) -> None:
    for name, part in HEADERS.items():
        assert part in response.headers.get(name, ""), (response.status_code, name)


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_a_login_nothing_but_login_and_health_answers(paths, method, client):
    for path in set(paths) - OPEN:
        response = getattr(client, method)(path)
        if response.status_code in (301, 302):
            assert re.match(r"/admin/(login/|$)", response.url), path
        else:
            assert response.status_code in (403, 404, 405), path


def test_no_address_answers_under_a_foreign_host_name(paths, operator):
    for path in [*paths, STATIC]:
        answer = operator.get(path, headers={"Host": "evil.example"}, REMOTE_ADDR="192.0.2.1")
        assert answer.status_code == 400, path


def test_health_says_no_more_than_that_it_lives(client, db):
    for path in ("/health/live", "/health/ready"):
        assert client.get(path).content == b"ok\n"


def test_a_post_without_token_is_refused_everywhere(paths, operator):
    for path in paths:
        assert operator.post(path).status_code in (403, 405), path


def test_a_post_from_another_origin_is_refused_even_with_a_token(paths, operator):
    data = {"csrfmiddlewaretoken": "a" * 32}
    operator.cookies[settings.CSRF_COOKIE_NAME] = data["csrfmiddlewaretoken"]
    for path in paths:
        for origin in FOREIGN_ORIGINS:
            response = operator.post(path, data, headers={"Origin": origin})
            assert response.status_code in (403, 405), (path, origin)
    own = operator.post("/admin/logout/", data, headers={"Origin": "http://testserver"})
    assert own.status_code == 302 or b"Logged out" in own.content


def test_a_get_changes_nothing(paths, operator):
    # Opening a session's page notes when; that is all that a page view may write.
    allowed = re.compile(r'UPDATE "(sessions" SET "last_accessed_at"|django_session)')
    for path in paths:
        with CaptureQueriesContext(connection) as queries:
            operator.get(path)
        for query in queries:
            written = re.match(r"INSERT|UPDATE|DELETE", query["sql"])
            assert not written or allowed.match(query["sql"]), (path, query["sql"])


def test_what_acts_answers_no_get(paths, operator):
    acting = [path for path in paths if re.search(r"/(logout|prompt|cancel|retry|stop)/$", path)]
    assert len(acting) > 1
    for path in acting:
        assert operator.get(path).status_code == 405, path


def test_every_answer_carries_the_headers(paths, operator):
    for path in [*paths, STATIC, "/nowhere"]:
        assert_headers(operator.get(path))
    assert_headers(operator.post("/admin/login/"))
    assert_headers(operator.get("/", headers={"Host": "evil.example"}))
    assert_headers(operator.get("/", headers={"Host": "localhost", "Accept": "text/html"}))


def test_pages_let_nothing_but_their_own_files_in(client, db):
    header = client.get("/admin/login/")["Content-Security-Policy"]
    policy = dict(directive.strip().partition(" ")[::2] for directive in header.split(";"))
    own = ("script-src", "style-src", "img-src", "font-src", "connect-src", "form-action")
    none = ("default-src", "base-uri", "frame-ancestors")
    assert policy == {**dict.fromkeys(own, "'self'"), **dict.fromkeys(none, "'none'")}


def test_no_other_origin_may_read_an_answer(paths, operator):
    for path in [*paths, STATIC]:
        response = operator.get(path, headers={"Origin": "http://evil.example"})
        assert not any(name.startswith("Access-Control") for name in response.headers), path
