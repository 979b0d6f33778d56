"""Rescue: whose runs are abandoned, and whose are not."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs_app.models import Job, JobAttempt, JobStatus, Worker
from jobs_app.processes.tree import RUN_MARKER
from jobs_app.worker import sweeps
from jobs_app.worker.sweeps import RescueCount
from jobs_app.worker.upkeep import _beat

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

LONG_AGO = timedelta(hours=1)


@pytest.fixture
def left_over(attempt):
    """A process that still carries the run's marker."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(1000)"],
        env={**os.environ, RUN_MARKER: attempt.pk},
        start_new_session=True,
    )
    yield process
    process.kill()
    process.wait()


def status() -> str:
    return Job.objects.get().status


def test_a_worker_that_beats_keeps_its_runs_however_long_they_take(attempt):
    JobAttempt.objects.update(started_at=timezone.now() - timedelta(days=2))
    assert sweeps.rescue() == RescueCount(0, 0)
    assert status() == JobStatus.PROCESSING


def test_a_silent_worker_loses_its_runs_and_what_is_left_of_them_ends(attempt, left_over):
    Worker.objects.update(heartbeat_at=timezone.now() - LONG_AGO)
    assert sweeps.rescue() == RescueCount(1, 0)
    assert left_over.wait(timeout=10) == -9
    assert status() == JobStatus.PENDING
    assert JobAttempt.objects.get().outcome == "lost"


def test_a_worker_whose_machine_slept_does_not_take_itself_for_dead(attempt, worker):
    Worker.objects.update(heartbeat_at=timezone.now() - LONG_AGO)
    assert sweeps.abandoned_here(worker.pk, by_silence=True) == []
    assert sweeps.abandoned_here("another", by_silence=True) == [attempt]


def test_a_silent_worker_is_not_judged_where_silence_says_nothing(attempt):
    Worker.objects.update(heartbeat_at=timezone.now() - LONG_AGO)
    assert sweeps.abandoned_here("another", by_silence=False) == []
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    Worker.objects.update(pid=ended.pid)
    assert sweeps.abandoned_here("another", by_silence=False) == [attempt]


def test_a_dead_process_on_this_host_is_known_before_its_heartbeat_is_old(attempt):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    Worker.objects.update(pid=ended.pid)
    assert sweeps.rescue() == RescueCount(1, 0)


def test_a_run_from_before_a_reboot_is_rescued_and_its_pid_left_alone(attempt, left_over):
    Worker.objects.update(boot_id="an earlier boot")
    JobAttempt.objects.update(boot_id="an earlier boot", pid=left_over.pid)
    assert sweeps.rescue() == RescueCount(1, 0)
    assert left_over.poll() is None


def test_an_innocent_process_with_the_recorded_pid_survives(attempt):
    innocent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    JobAttempt.objects.update(pid=innocent.pid)
    Worker.objects.all().delete()
    assert sweeps.rescue() == RescueCount(1, 0)
    assert innocent.poll() is None
    innocent.kill()
    innocent.wait()


def test_a_run_on_another_host_is_left_to_that_host(attempt):
    JobAttempt.objects.update(host="elsewhere")
    Worker.objects.update(host="elsewhere", heartbeat_at=timezone.now() - LONG_AGO)
    assert sweeps.rescue() == RescueCount(0, 1)
    assert status() == JobStatus.PROCESSING


def test_a_job_cancelled_while_its_worker_was_gone_ends_as_cancelled(attempt):
    attempt.job.cancel()
    Worker.objects.all().delete()
    sweeps.rescue()
    assert status() == JobStatus.CANCELLED


def test_a_worker_that_others_forgot_while_its_host_slept_is_known_again(attempt, worker):
    Worker.objects.all().delete()
    assert _beat(worker) == {attempt.pk}
    assert list(Worker.objects.alive()) == [worker]
