"""Nonsense in addresses, forms and cookies: every address of the site has a sentence for it."""

import logging
from io import BytesIO
from urllib.parse import quote

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client

from jobs_app import queue
from jobs_app.models import Job, JobAttempt, ProjectTrust, Worker
from jobs_app.outcomes import Outcome
from pokecode_site import asgi, wsgi
from sessions_app import transcript
from sessions_app.models import Session, SessionMessage
from sessions_app.transcript import NewMessage
from tests.integration.admin_pages import said, staff, text, url
from tests.integration.routes import all_paths
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db]
COMMITTED = pytest.mark.django_db(transaction=True)
"""What PostgreSQL refuses would spoil the transaction of a test."""

PLACE = "PLACE"
VALUES = {
    "NUL": "%00",
    "surrogate": "%ED%A0%80",
    "not UTF-8": "%FF%FEa",
    "long": "a" * 9000,
    "many words": "a+" * 2000,
    "many columns": "1." * 3000,
    "huge": "9" * 40,
    "negative": "-1",
    "infinite": "1e999",
    "code": quote("'\"`;--{{7*7}}{0}%s%(a)s^(a+)+$"),
    "invisible": "%E2%80%AE%E2%81%A6%01%1B%7F",
    "a moment before all others": quote("0001-01-01T00:00:00+14:00"),
}
LIST_PARAMETERS = ["q", "o", "p", "all", "session", "state", "status__exact", "groups__id__exact"]
LIST_PARAMETERS += ["created_at__gte", "created_at__year", "is_working__exact", "path_info"]
LIST_PARAMETERS += ["attempt_time__year", "attempt_time__month", "job__id__exact", "_to_field"]
PARAMETERS = ["term", "before", "after", "next", "p", "path", "session", "groups", "max_attempts"]
PARAMETERS += ["_changelist_filters", "_popup", "_to_field"]
FIELDS = ["_selected_action", "host", "prompt", "session", "max_attempts", "project_path", "path"]
FIELDS += ["name", "state", "type", "content_data", "token_count", "username", "permissions"]
FIELDS += ["usable_password", "password1", "password2", "next", "last_login_0", "date_joined_0"]


@pytest.fixture
def paths(session, worker) -> list[str]:
    """Every address, of rows that exist and of those whose id is yet to be put in its place."""
    [message] = transcript.append([NewMessage(session.pk, session.provider, "user", "{}")])
    job = queue.enqueue(session, "Look")
    [attempt] = claim(worker)
    end(attempt, Outcome.FAILED, "No.", permanent=True)
    trust = ProjectTrust.objects.create(path="project", trusted_by="root")
    assert message and attempt and trust
    rows = [session, job, User.objects.create_user("somebody")]
    found = {path for path in all_paths({}, PLACE) if "logout" not in path}
    for row in rows:
        start = url(type(row)) + PLACE
        found |= {
            path.replace(start, url(type(row)) + str(row.pk))
            for path in found
            if path.startswith(start)
        }
    return sorted(found)


@pytest.fixture
def visitor(admin_user, caplog):
    """What the site answers to a request that it may log, but not as a fault of its own."""
    client = Client(raise_request_exception=False)
    client.force_login(admin_user, "django.contrib.auth.backends.ModelBackend")

    def ask(path: str, query: str = "", fields: str | None = None):
        if fields is None:
            response = client.get(f"{path}?{query}")
        else:
            kind = "application/x-www-form-urlencoded"
            response = client.post(f"{path}?{query}", fields, content_type=kind)
        assert response.status_code < 500, (path, query[:200], (fields or "")[:200])
        faults = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert not faults, (path, query[:200])
        caplog.clear()
        return response

    return ask


def of_all(names: list[str], value: str) -> str:
    return "&".join(f"{name}={value}" for name in names)


@COMMITTED
def test_no_address_fails_with_nonsense_in_it(visitor, paths):
    assert len(paths) > 80
    for value in VALUES.values():
        for path in paths:
            visitor(path.replace(PLACE, value.replace("+", "%20")), of_all(PARAMETERS, value))


@COMMITTED
def test_no_list_fails_with_nonsense_in_its_parameters(visitor, paths):
    target = "app_label=jobs_app&model_name=job&field_name=session"
    for value in VALUES.values():
        for model in (Session, JobAttempt, AccessAttempt):
            for name in LIST_PARAMETERS:
                visitor(url(model), f"{name}={value}")
            visitor(url(model), f"{value}=1")
        for name in ("term", "page", "app_label", "model_name", "field_name"):
            visitor("/admin/autocomplete/", f"{target}&{name}={value}")
    for name in ("status__exact", "session", "created_at__gte", "q", "o"):
        visitor(url(Job), f"{name}=1&" * 999)
    assert visitor(url(Session), "a=1&" * 1100).status_code == 400


@COMMITTED
def test_no_address_fails_with_nonsense_in_its_form(visitor, paths):
    for value in VALUES.values():
        for path in paths:
            action = "&action=delete_selected&post=yes" if path.count("/") == 4 else ""
            visitor(path.replace(PLACE, "1"), fields=of_all(FIELDS, value) + action)


@pytest.mark.parametrize("charset", ["rot13", "unicode_escape", "utf-7", "utf-16", "nonsense"])
def test_the_encoding_that_a_request_claims_makes_no_difference(charset):
    query, kind = b"next=%5Cud800%5Cx00+AAA-%FF", f"text/plain; charset={charset}"
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": query}
    scope["headers"] = [(b"content-type", kind.encode())]
    environ = {"REQUEST_METHOD": "GET", "QUERY_STRING": query.decode(), "CONTENT_TYPE": kind}
    requests = [
        asgi.django.create_request(scope, BytesIO())[0],
        wsgi.application.request_class({**environ, "wsgi.input": BytesIO()}),
    ]
    for request in requests:
        assert request.GET["next"] == "\\ud800\\x00 AAA-\ufffd"


@COMMITTED
def test_an_empty_field_to_look_a_row_up_by_is_refused(visitor, paths):
    for path in paths:
        visitor(path.replace(PLACE, "1"), "_to_field=")
        visitor(path.replace(PLACE, "1"), fields="_to_field=")


def test_a_nul_is_found_nowhere(client, admin_client, session):
    client.cookies["sessionid"] = "aaaaaaaa\0"
    assert client.get("/admin/").status_code == 302  # to the login
    missing = admin_client.get(url(Session, "change", "PLACE").replace("PLACE", "%00"), follow=True)
    assert "doesn’t exist" in text(missing)
    assert not admin_client.get(f"{url(Job)}?session=%00").context["cl"].result_list
    assert not admin_client.get(f"{url(Session)}?q=%00").context["cl"].result_list


MODELS = [Session, SessionMessage, Job, JobAttempt, Worker, ProjectTrust, User, Group]
LOOKUPS = ["id__regex", "pk__iregex", "id__startswith", "id__in", "id", "password__startswith"]
LOOKUPS += ["session__messages__session__jobs__error__contains", "name__regex", "created_at__year"]


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_no_lookup_that_it_does_not_offer(admin_client, model):
    for lookup in LOOKUPS:
        response = admin_client.get(url(model), {lookup: "^(a+)+$"})
        assert (response.status_code, response.url) == (302, f"{url(model)}?e=1"), lookup
        assert "The list has no such filter" in said(admin_client.get(response.url))[0]
    again = admin_client.get(url(model), {"id__regex": "^(a+)+$", "e": "1"})
    assert "The list has no such filter" in text(again)


def test_what_the_filters_and_links_of_a_list_ask_for_is_taken(admin_client, session, worker):
    queue.enqueue(session, "Look")
    claim(worker)
    for model in admin.site._registry:
        changes = admin_client.get(url(model)).context["cl"]
        for spec in changes.filter_specs:
            for choice in spec.choices(changes):
                response = admin_client.get(url(model) + choice["query_string"])
                assert response.status_code == 200, (model, choice)
    links = [
        (Job, "status__exact=pending"),
        (Job, f"session={session.pk}"),
        (SessionMessage, f"session={session.pk}"),
        (JobAttempt, "job__id__exact=1"),
        (JobAttempt, "worker_id__exact=1"),
        (User, "groups__id__exact=1"),
        (Job, "created_at__gte=2026-01-01&created_at__lt=9999-12-31"),
    ]
    for model, query in links:
        assert admin_client.get(f"{url(model)}?{query}").status_code == 200, query


@pytest.mark.parametrize("model", [model for model in MODELS if model is not Group])
def test_a_search_that_would_take_minutes_is_refused_in_a_sentence(
    admin_client, django_assert_max_num_queries, model
):
    for words in ("word " * 17, "a" * 501, "é" * 501, "é " * 9000):
        with django_assert_max_num_queries(8):
            response = admin_client.get(url(model), {"q": words})
        assert "Search for at most 16 words and 500 characters" in said(response)[0]


def test_a_phrase_of_many_words_can_be_searched_for(admin_client, session):
    phrase = "one two three four five six seven eight nine ten " * 2
    job = queue.enqueue(session, f"Why {phrase}?")
    queue.enqueue(session, "Another")
    shown = admin_client.get(url(Job), {"q": f'"{phrase.strip()}"'}).context["cl"].result_list
    assert [row.pk for row in shown] == [job.pk]


def test_a_long_term_is_not_looked_up_for_a_field(db):
    runner = staff("sessions_app.view_session", "jobs_app.add_job", "jobs_app.run_job")
    target = {"app_label": "jobs_app", "model_name": "job", "field_name": "session"}
    response = runner.get("/admin/autocomplete/", {**target, "term": "a " * 9000})
    assert (response.status_code, b"at most 16 words" in response.content) == (400, True)
