"""Who sends a form whose login has expired is led back to the page with the form."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.test.utils import override_script_prefix
from django.urls import reverse

from jobs_app import queue
from jobs_app.models import Job
from pokecode_site.pages.site import EXPIRED
from sessions_app.models import Session
from tests.integration.admin_pages import text, url
from tests.integration.test_security_visitors import PASSWORD

SITE = "http://testserver"


@pytest.fixture
def job(session):
    return queue.enqueue(session, "Look around")


@pytest.fixture
def owner(db):
    return get_user_model().objects.create_superuser("owner", password=PASSWORD)


def acts(session, job):
    """Addresses that act and show nothing, and the page that belongs to each."""
    at_session = url(Session, "change", session.pk)
    at_job = url(Job, "change", job.pk)
    verbs = [reverse("admin:sessions_app_session_job", args=[session.pk, job.pk, "cancel"])]
    return {
        **dict.fromkeys([url(Session, "prompt", session.pk), *verbs], at_session),
        url(Session, "move", session.pk): at_session,
        url(Job, "cancel", job.pk): at_job,
        url(Job, "retry", job.pk): at_job,
    }


def then(response) -> str:
    """Where the login leads afterwards."""
    assert response.status_code == 302
    assert urlsplit(response.url).path == reverse("admin:login")
    return parse_qs(urlsplit(response.url).query)["next"][0]


def test_an_act_without_a_login_leads_to_its_page(client, session, job):
    for address, page in acts(session, job).items():
        assert then(client.post(address, {"prompt": "Go on."})) == page
    job.refresh_from_db()
    assert job.status == "pending"
    assert Job.objects.count() == 1


def test_it_leads_back_to_where_the_person_was(client, session, job):
    list_page = f"{url(Job)}?status__exact=pending&q=look"
    for page in (reverse("admin:index"), list_page, url(Job, "history", job.pk)):
        for address in acts(session, job):
            assert then(client.post(address, headers={"Referer": SITE + page})) == page


def test_a_page_that_is_also_sent_to_is_the_place_itself(client, session, job):
    change = url(Job, "change", job.pk)
    kept = f"{change}?_changelist_filters=status__exact%3Dpending"
    assert then(client.post(kept, {"prompt": "New"}, headers={"Referer": SITE + "/admin/"})) == kept
    add = url(Job, "add")
    assert then(client.post(add, {"prompt": "New"}, headers={"Referer": SITE + change})) == add


@pytest.mark.parametrize(
    "referer",
    [
        "http://evil.example/admin/",
        "//evil.example/admin/",
        "http://testserver@evil.example/admin/",
        "javascript:alert(1)",
        "http://testserver:8001/admin/",
        f"{SITE}/nowhere/",
        f"{SITE}/admin/sessions_app/session/x/prompt/",
        f"{SITE}//evil.example/admin/",
        "http://[",
        "\udcff",
    ],
)
def test_it_leads_nowhere_else(client, job, referer):
    response = client.post(url(Job, "cancel", job.pk), HTTP_REFERER=referer)
    assert then(response) == url(Job, "change", job.pk)


def test_the_login_says_that_nothing_was_done_and_the_page_comes_after_it(owner, session, job):
    client = Client(enforce_csrf_checks=False)
    response = client.post(url(Session, "prompt", session.pk), {"prompt": "Go on."}, follow=True)
    assert EXPIRED in text(response)
    next_page = url(Session, "change", session.pk)
    data = {"username": "owner", "password": PASSWORD, "next": next_page}
    shown = client.post(reverse("admin:login"), data, follow=True)
    assert shown.redirect_chain == [(next_page, 302)]
    assert session.name in text(shown)


def test_below_a_path_it_stays_below_it(client, session, job):
    cancel, change, jobs = (url(Job, *of) for of in [("cancel", job.pk), ("change", job.pk), ()])
    with override_script_prefix("/tools/"):
        direct = client.post(cancel, SCRIPT_NAME="/tools")
        came = f"{SITE}/tools{jobs}?q=x"
        from_list = client.post(cancel, SCRIPT_NAME="/tools", headers={"Referer": came})
        assert then(direct) == f"/tools{change}"
        assert then(from_list) == f"/tools{jobs}?q=x"


def test_a_form_older_than_the_login_is_refused_with_what_to_do(owner, job):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    client.get(url(Job, "change", job.pk))
    data = {"csrfmiddlewaretoken": "a" * 32}
    response = client.post(url(Job, "cancel", job.pk), data, headers={"Referer": f"{SITE}/admin/"})
    assert response.status_code == 403
    page = response.content.decode()
    assert "logged in anew in another tab" in page
    assert '<a href="/admin/">Go back to the page</a>' in page
    assert "Reason given for failure" not in page
