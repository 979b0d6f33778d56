"""Attempts and workers are to be read; trusted projects are added and removed, never edited."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.utils import timezone

from jobs_app import queue
from jobs_app.models import Job, JobAttempt, ProjectTrust, Worker
from jobs_app.outcomes import Outcome
from sessions_app.models import Session
from sessions_app.providers import Usage
from tests.integration.admin_pages import errors, staff, text, url
from tests.leasing import claim, end

USAGE = Usage(1200, 200, 0, 34, 5)


@pytest.fixture
def attempt(session, worker):
    queue.enqueue(session, "Look around")
    [run] = claim(worker)
    left = {"usage": USAGE, "raw_usage": {"in": 1}, "cost_usd": Decimal("0.0123")}
    end(run, Outcome.SUCCEEDED, exit_code=0, **left)
    run.refresh_from_db()
    return run


def test_attempts_link_to_their_job_and_session_with_tokens_and_cost(admin_client, attempt):
    for page in (url(JobAttempt), url(JobAttempt, "change", attempt.pk)):
        shown = text(admin_client.get(page))
        assert url(Job, "change", attempt.job_id) in shown
        assert url(Session, "change", attempt.session_id) in shown
        assert "$0.0123" in shown
        assert "succeeded" in shown
    assert "1,234" in text(admin_client.get(url(JobAttempt)))


def test_an_unknown_cost_is_no_zero(admin_client, attempt):
    JobAttempt.objects.update(cost_usd=None)
    assert "$" not in text(admin_client.get(url(JobAttempt, "change", attempt.pk)))


@pytest.mark.parametrize("model", [JobAttempt, Worker])
def test_what_programs_write_cannot_be_changed_even_by_a_superuser(
    admin_client, attempt, worker, model
):
    row = model.objects.get()
    assert "Save" not in text(admin_client.get(url(model, "change", row.pk)))
    for page in (url(model, "add"), url(model, "change", row.pk), url(model, "delete", row.pk)):
        assert admin_client.post(page, {"post": "yes", "host": "other"}).status_code == 403
    assert model.objects.get().host == row.host


def test_workers_show_whether_they_live_and_what_they_ran(admin_client, worker, attempt):
    shown = text(admin_client.get(url(Worker)))
    assert str(worker) in shown
    assert ">alive<" in shown
    listed = admin_client.get(url(JobAttempt), {"worker_id__exact": worker.pk})
    assert f"{url(JobAttempt)}?worker_id__exact={worker.pk}" in shown
    assert len(listed.context["cl"].result_list) == 1
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    assert ">no heartbeat<" in text(admin_client.get(url(Worker)))


def test_a_project_is_trusted_and_distrusted_with_the_permission(db, project):
    client = staff("jobs_app.trust_project")
    client.post(
        url(ProjectTrust, "add"), {"path": f"{project}/../project", "trusted_by": "somebody"}
    )
    trust = ProjectTrust.objects.get()
    assert (trust.path, trust.trusted_by) == (str(project), "staff0")
    listed = client.get(url(ProjectTrust))
    assert str(project) in text(listed)
    client.post(url(ProjectTrust, "delete", quote(trust.pk)), {"post": "yes"})
    assert not ProjectTrust.objects.exists()
    assert LogEntry.objects.count() == 2


def test_trust_is_not_moved_to_another_path(admin_client, project, tmp_path):
    ProjectTrust.objects.create(path=str(project), trusted_by="root")
    page = url(ProjectTrust, "change", quote(str(project)))
    assert admin_client.get(page).status_code == 200
    assert admin_client.post(page, {"path": str(tmp_path)}).status_code == 403
    assert ProjectTrust.objects.get().path == str(project)


def test_only_a_directory_under_a_root_can_be_trusted_once(admin_client, project):
    refused = admin_client.post(url(ProjectTrust, "add"), {"path": "/etc"})
    assert "outside the project roots" in errors(refused)
    admin_client.post(url(ProjectTrust, "add"), {"path": str(project)})
    again = admin_client.post(url(ProjectTrust, "add"), {"path": str(project)})
    assert "already exists" in errors(again)
    assert ProjectTrust.objects.count() == 1


def test_model_permissions_alone_do_not_trust(db, project):
    permissions = [f"jobs_app.{act}_projecttrust" for act in ("add", "change", "delete", "view")]
    client = staff(*permissions)
    ProjectTrust.objects.create(path=str(project), trusted_by="root")
    assert client.get(url(ProjectTrust)).status_code == 200
    assert client.post(url(ProjectTrust, "add"), {"path": str(project)}).status_code == 403
    deletion = url(ProjectTrust, "delete", quote(str(project)))
    assert client.post(deletion, {"post": "yes"}).status_code == 403
    assert ProjectTrust.objects.exists()


def test_an_attempt_shows_its_prompt_to_those_who_may_see_jobs(session, worker):
    queue.enqueue(session, "A secret.")
    [attempt] = claim(worker)
    for permissions, shown in [([], False), (["jobs_app.view_job"], True)]:
        visitor = staff("jobs_app.view_jobattempt", *permissions)
        for page in (url(JobAttempt), url(JobAttempt, "change", attempt.pk)):
            assert ("A secret." in text(visitor.get(page))) is shown
