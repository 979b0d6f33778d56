"""The first page: what runs, what waits, what failed, and what needs a person."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs_app import status
from jobs_app.models import Job, Worker
from jobs_app.outcomes import Outcome
from pokecode_site.pages import dashboard
from tests.leasing import claim, end

pytestmark = pytest.mark.django_db


def index(client):
    """The text of the page, on one line."""
    response = client.get(reverse("admin:index"))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_a_new_site_says_what_to_do_first(admin_client):
    shown = index(admin_client)
    assert "create the first one" in shown
    assert "No agent is working." in shown
    assert "No worker is running." in shown


def test_a_running_job_shows_with_its_session_and_a_stop_button(admin_client, session, worker):
    job = Job.objects.enqueue(session, "Count the lines.")
    claim(worker)
    shown = index(admin_client)
    assert "Count the lines." in shown and session.name in shown
    assert reverse("admin:sessions_app_session_job", args=[session.pk, job.pk, "cancel"]) in shown
    assert "<strong>1</strong> processing" in shown


def test_a_long_prompt_is_not_read_for_its_title(session, worker):
    Job.objects.enqueue(session, "Read this.\n" + "x" * 100_000)
    claim(worker)
    with CaptureQueriesContext(connection) as queries:
        (run,) = status.running()
        assert run.job.title == "Read this."
    assert "data" in run.job.get_deferred_fields()
    assert len(queries) == 2


def test_a_recent_failure_shows_why(admin_client, session, worker):
    Job.objects.enqueue(session, "Break it.", max_attempts=1)
    (attempt,) = claim(worker)
    end(attempt, Outcome.FAILED, "There is no such model.", permanent=True)
    assert "There is no such model." in index(admin_client)


def test_counts_link_to_the_jobs_they_count(admin_client, session):
    Job.objects.enqueue(session, "Wait.")
    shown = index(admin_client)
    address = f"{reverse('admin:jobs_app_job_changelist')}?status__exact=pending"
    assert address in shown
    assert "Wait." in admin_client.get(address).content.decode()


def test_a_count_stops_where_counting_gets_slow(admin_client, session, monkeypatch):
    monkeypatch.setattr(dashboard, "COUNT_LIMIT", 2)
    for number in range(4):
        Job.objects.enqueue(session, f"Prompt {number}.")
    assert "<strong>2+</strong> pending" in index(admin_client)


def test_prompts_that_wait_for_nobody_are_warned_of(admin_client, session, worker):
    Job.objects.enqueue(session, "Wait.")
    assert "no worker is running: start" not in index(admin_client)
    Worker.objects.all().delete()
    assert "no worker is running: start" in index(admin_client)


def test_a_worker_without_a_heartbeat_stands_out(admin_client, worker):
    assert "alive" in index(admin_client)
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    assert "no heartbeat since" in index(admin_client)


def test_a_permission_bypass_is_shown_on_top(admin_client, settings):
    assert "bypassPermissions" not in index(admin_client)
    settings.POKECODE_CLAUDE_PERMISSION_MODE = "bypassPermissions"
    assert "POKECODE_CLAUDE_PERMISSION_MODE is bypassPermissions" in index(admin_client)


def test_the_demo_says_that_it_is_one(admin_client, settings):
    settings.POKECODE_DEMO = True
    assert "This is a demo" in index(admin_client)


def test_everybody_sees_only_what_they_may(client, django_user_model, session, worker):
    Job.objects.enqueue(session, "A secret prompt.")
    claim(worker)
    user = django_user_model.objects.create_user("staff", is_staff=True)
    client.force_login(user)
    assert "A secret prompt." not in index(client) and session.name not in index(client)
    user.user_permissions.add(Permission.objects.get(codename="view_job"))
    assert "A secret prompt." in index(client)
    assert "formaction" not in index(client)


def test_the_part_that_refreshes_needs_a_login(client, admin_client):
    address = reverse("admin:dashboard")
    assert client.get(address).status_code == 302
    assert "Running now" in admin_client.get(address).content.decode()


def test_many_jobs_cost_no_more_queries(
    admin_client, make_session, worker, django_assert_max_num_queries
):
    for number in range(4):
        Job.objects.enqueue(make_session(f"s{number}"), "Run.")
    claim(worker, 4)
    with django_assert_max_num_queries(16):
        admin_client.get(reverse("admin:dashboard"))
