"""Several hosts on one queue: a session stays where its files and conversation are."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from jobs_app import claiming, queue, status
from jobs_app.models import Job, JobAttempt, JobStatus, SessionHost, Worker
from jobs_app.outcomes import Outcome
from jobs_app.worker.upkeep import new_worker
from sessions_app.models import Session
from tests.integration.admin_pages import said, staff, url, words
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def elsewhere(db) -> Worker:
    row = new_worker("test", concurrency=4)
    row.host = "elsewhere"
    row.save()
    return row


def run_once(session, worker) -> None:
    Job.objects.enqueue(session, "first")
    end(claim(worker)[0], Outcome.SUCCEEDED)


def silence(worker) -> None:
    """As its host looks when it has died, or lost its way to the database."""
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))


def home(session) -> str:
    return SessionHost.objects.get(session=session).host


def move(client, session, host):
    return client.post(url(Session, "move", session.pk), {"host": host}, follow=True)


def test_a_session_stays_with_the_host_of_its_first_run(session, worker, elsewhere):
    run_once(session, worker)
    job = Job.objects.enqueue(session, "second")
    assert claim(elsewhere) == []
    assert [run.job_id for run in claim(worker)] == [job.pk]


def test_a_host_takes_the_sessions_that_no_host_has(session, make_session, worker, elsewhere):
    run_once(session, worker)
    job = Job.objects.enqueue(make_session("new"), "go")
    assert [run.job_id for run in claim(elsewhere)] == [job.pk]


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
    assert claim(worker) == []
    assert len(claim(elsewhere)) == 1


def test_a_running_session_is_not_moved_unless_its_worker_is_gone(session, worker, elsewhere):
    job = Job.objects.enqueue(session, "first")
    claim(worker)
    with pytest.raises(ValidationError, match="cancel its job first"):
        queue.move(session, "elsewhere")
    silence(worker)
    queue.move(session, "elsewhere")
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    Job.objects.update(next_retry_at=None)
    assert len(claim(elsewhere)) == 1


@pytest.mark.parametrize("change", ["moved", "archived"])
def test_a_claim_that_has_read_a_session_before_it_changed_takes_nothing(
    session, worker, elsewhere, monkeypatch, change
):
    """On SQLite no claim can: it keeps everybody else from writing."""
    run_once(session, worker)
    job = Job.objects.enqueue(session, "second")
    select = claiming._select

    def change_behind(*arguments):
        found = select(*arguments)
        if connection.vendor == "postgresql":
            in_thread(lambda: change_it(session, change))
        return found

    monkeypatch.setattr(claiming, "_select", change_behind)
    claimed = claim(worker)
    expected = [] if connection.vendor == "postgresql" else [job.pk]
    assert [run.job_id for run in claimed] == expected
    assert list(JobAttempt.objects.open().values_list("job_id", flat=True)) == expected


def change_it(session, change: str) -> None:
    if change == "moved":
        SessionHost.objects.filter(session=session).update(host="elsewhere")
    else:
        Session.objects.filter(pk=session.pk).update(state="inactive")


def in_thread(work: Callable[[], None]) -> None:
    def run() -> None:
        work()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_a_move_waits_for_a_claim_that_is_under_way(session, worker, elsewhere):
    Job.objects.enqueue(session, "first")
    refusals: list[str] = []

    def move_it() -> None:
        try:
            queue.move(session, "elsewhere")
        except ValidationError as error:
            refusals.extend(error.messages)
        finally:
            connection.close()

    mover = threading.Thread(target=move_it)
    with transaction.atomic():
        claim(worker)
        mover.start()
        mover.join(0.5)  # where it does not wait, it has moved the session by then
    mover.join()
    assert refusals == [f"The session runs on {worker.host}: cancel its job first."]
    assert home(session) == worker.host


@pytest.mark.parametrize("host", ["", "a\nb", "\udcff"])
def test_a_session_is_not_moved_to_what_is_no_host(session, worker, host):
    run_once(session, worker)
    with pytest.raises(ValidationError, match="is not a host name"):
        queue.move(session, host)
    assert home(session) == worker.host


def test_a_run_whose_host_is_gone_is_told(admin_client, session, worker, elsewhere, capsys):
    Job.objects.enqueue(session, "first")
    claim(worker)
    silence(worker)
    call_command("queue_status")
    shown = capsys.readouterr().out
    assert f"on {worker.host}, whose worker is gone" in shown
    assert f"prompts wait for a worker on {worker.host}" in shown
    assert "The worker of this attempt is gone" in page(admin_client, session)
    dashboard = " ".join(words(admin_client.get("/admin/")).split())
    assert f"Prompts wait for a worker on {worker.host}" in dashboard


def page(client, session) -> str:
    return " ".join(words(client.get(url(Session, "change", session.pk))).split())


def test_a_session_is_moved_on_its_page(admin_client, session, worker, elsewhere):
    run_once(session, worker)
    assert "Move to elsewhere" in page(admin_client, session)
    assert said(move(admin_client, session, "elsewhere")) == [
        "The session's prompts run on elsewhere from now on."
    ]
    assert "Moved to elsewhere." in LogEntry.objects.values_list("change_message", flat=True)
    Job.objects.enqueue(session, "second")
    assert claim(worker) == []
    assert len(claim(elsewhere)) == 1


def test_a_host_that_is_gone_shows_on_the_pages_of_its_sessions(
    admin_client, session, worker, elsewhere
):
    run_once(session, worker)
    assert "No worker is running there" not in page(admin_client, session)
    silence(worker)
    assert "No worker is running there: start one, or move the session." in page(
        admin_client, session
    )


def test_with_one_host_there_is_nothing_to_move(admin_client, session, worker):
    run_once(session, worker)
    assert "Move to" not in page(admin_client, session)


@pytest.mark.parametrize("host", ["nowhere", "", "a\0b"])
def test_a_session_is_moved_on_its_page_only_to_where_a_worker_runs(
    admin_client, session, worker, elsewhere, host
):
    run_once(session, worker)
    [refusal] = said(move(admin_client, session, host))
    assert "No worker is running on that host" in refusal
    assert home(session) == worker.host


def test_a_running_session_is_not_moved_on_its_page(admin_client, session, worker, elsewhere):
    Job.objects.enqueue(session, "first")
    claim(worker)
    [refusal] = said(move(admin_client, session, "elsewhere"))
    assert "cancel its job first" in refusal
    assert home(session) == worker.host


def test_moving_needs_run_job_and_a_post(admin_client, session, worker, elsewhere):
    run_once(session, worker)
    reader = staff("sessions_app.view_session", "jobs_app.view_job", "jobs_app.change_job")
    assert "Move to" not in page(reader, session)
    assert move(reader, session, "elsewhere").status_code == 403
    blind = staff("jobs_app.run_job")
    assert move(blind, session, "elsewhere").status_code == 403
    assert admin_client.get(url(Session, "move", session.pk)).status_code == 405
    assert home(session) == worker.host
