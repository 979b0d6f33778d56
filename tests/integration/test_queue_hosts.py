"""Several hosts on one queue: a session stays where its files and conversation are."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from jobs_app import hosts, queue, status
from jobs_app.leases import RunReport
from jobs_app.models import Job, JobStatus, Outcome, Worker

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def elsewhere(db) -> Worker:
    row = hosts.new_worker("test", concurrency=4)
    row.host = "elsewhere"
    row.save()
    return row


def run_once(session, worker) -> None:
    Job.objects.enqueue(session, "first")
    queue.complete(queue.claim(worker)[0], RunReport(Outcome.SUCCEEDED))


def test_a_session_stays_with_the_host_of_its_first_run(session, worker, elsewhere):
    run_once(session, worker)
    job = Job.objects.enqueue(session, "second")
    assert queue.claim(elsewhere) == []
    assert [run.job_id for run in queue.claim(worker)] == [job.pk]


def test_a_host_takes_the_sessions_that_no_host_has(session, make_session, worker, elsewhere):
    run_once(session, worker)
    job = Job.objects.enqueue(make_session("new"), "go")
    assert [run.job_id for run in queue.claim(elsewhere)] == [job.pk]


def test_prompts_of_a_host_without_a_worker_are_told(session, worker, elsewhere, capsys):
    run_once(session, worker)
    Job.objects.enqueue(session, "second")
    assert status.hosts_without_worker() == []
    worker.delete()
    assert status.hosts_without_worker() == [worker.host]
    call_command("queue_status")
    assert f"prompts wait for a worker on {worker.host}" in capsys.readouterr().out


def test_a_moved_session_runs_on_its_new_host_only(session, worker, elsewhere, capsys):
    run_once(session, worker)
    Job.objects.enqueue(session, "second")
    call_command("move_session", session.pk, "elsewhere")
    assert "moved to elsewhere" in capsys.readouterr().out
    assert queue.claim(worker) == []
    assert len(queue.claim(elsewhere)) == 1


def test_a_running_session_is_not_moved_unless_its_worker_is_gone(session, worker, elsewhere):
    job = Job.objects.enqueue(session, "first")
    queue.claim(worker)
    with pytest.raises(ValidationError, match="cancel its job first"):
        queue.move(session, "elsewhere")
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    queue.move(session, "elsewhere")
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    Job.objects.update(next_retry_at=None)
    assert len(queue.claim(elsewhere)) == 1
