"""From SQLite to PostgreSQL by `dumpdata` and `loaddata`: all of it, exactly."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from axes.models import AccessAttempt, AccessAttemptExpiration, AccessFailureLog, AccessLog
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session as Login
from django.core.management import call_command

from jobs_app.models import (
    DatabaseIdentity,
    Job,
    JobAttempt,
    JobDraft,
    JobOptions,
    JobRequest,
    JobSteer,
    ProjectTrust,
    PromptImage,
    SessionHost,
    SessionOptions,
    Worker,
)
from sessions_app.models import Session, SessionMessage
from tests.postgres import server_url, with_database

NAME = f"test_pokecode_moving_{os.getpid()}"
MOMENT = datetime(2026, 11, 28, 4, 5, 6, 789_123, UTC)
ROOT = Path(__file__).resolve().parents[2]
DUMP = ("--natural-foreign", "--natural-primary", "-e=contenttypes", "-e=auth.permission")
MADE_BY_MIGRATE = {ContentType, Permission}
TEXT = "tab\t line\n \\ ' \" {} %s \x1b[31m é \U0001f600 \u2028 \u202e"
EVENT = '{"type": "user",  "text": "\\u0000\\ud800 é\u2028", "number": 1e400}'


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of an empty database."""
    url = server_url()
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME}")
        server.execute(f"CREATE DATABASE {NAME}")
        yield with_database(url, NAME)
        server.execute(f"DROP DATABASE {NAME}")


@pytest.fixture
def full(session):
    """A row or more in every table, with what is hard to carry."""
    user = User.objects.create_superuser("é" * 50, password="secret", last_login=MOMENT)
    group = Group.objects.create(name="Runners")
    group.permissions.add(Permission.objects.get(codename="run_job"))
    user.groups.add(group)
    LogEntry.objects.log_actions(user.pk, [session], CHANGE, "Changed.")
    Login.objects.create(session_key="k" * 32, session_data="data", expire_date=MOMENT)
    visit = {"username": TEXT, "ip_address": "::1", "user_agent": "a", "path_info": "/"}
    AccessLog.objects.create(**visit)
    AccessFailureLog.objects.create(**visit)
    guessed = AccessAttempt.objects.create(**visit, failures_since_start=2**31 - 1)
    AccessAttemptExpiration.objects.create(access_attempt=guessed, expires_at=MOMENT)
    Session.objects.filter(pk=session.pk).update(
        name=TEXT,
        context=TEXT,
        token_count=2**40,
        message_count=3_000_000_000,
        metadata={"branch": TEXT, "allowedTools": []},
        created_at=MOMENT,
        updated_at=MOMENT,
    )
    SessionMessage.objects.create(
        session=session, type="user", content_data=EVENT, token_count=2**31 - 1, created_at=MOMENT
    )
    job = Job.objects.create(
        session=session,
        data={"prompt": TEXT, "projectPath": "/srv"},
        next_retry_at=MOMENT,
        error=TEXT,
    )
    attempt = JobAttempt.objects.create(
        job=job,
        session=session,
        number=2**31 - 1,
        worker_id="w",
        host=TEXT,
        pid=-1,
        exit_code=-(2**31),
        process_started=2**62,
        input_tokens=2**40,
        output_tokens=3_000_000_000,
        raw_usage={"total": [2**70, TEXT, None]},
        cost_usd=Decimal("99999999.123456"),
        started_at=MOMENT,
        finished_at=MOMENT,
    )
    JobRequest.objects.create(
        attempt=attempt,
        job=job,
        session=session,
        kind="permission",
        tool=TEXT,
        content_data=EVENT,
        answer={"decision": "deny", "why": TEXT},
        answered_by=TEXT,
        answered_at=MOMENT,
        closed_at=MOMENT,
        closed_why="answered",
    )
    JobSteer.objects.create(job=job, session=session, text=TEXT, told_by=TEXT, read_at=MOMENT)
    JobDraft.objects.create(attempt=attempt, session=session, text=TEXT, updated_at=MOMENT)
    SessionOptions.objects.create(session=session, approvals="ask", model=TEXT, effort="high")
    JobOptions.objects.create(job=job, approvals="deny")
    PromptImage.objects.create(session=session, message_id=TEXT, hash="f" * 64)
    Worker.objects.create(host="h", pid=1, version="1", concurrency=1, heartbeat_at=MOMENT)
    SessionHost.objects.create(session=session, host=TEXT)
    ProjectTrust.objects.create(path=TEXT, trusted_by=TEXT, trusted_at=MOMENT)
    identity = {"path": TEXT, "device": 2**62, "inode": 2**62}
    DatabaseIdentity.objects.update_or_create(defaults={"identity": identity})


def manage(url: str, *arguments: str) -> None:
    environment = {**os.environ, "DATABASE_URL": url}
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.django_db
def test_everything_arrives_as_it_was(tmp_path, full, postgresql):
    whole, lines, moved = (tmp_path / name for name in ("all.json", "all.jsonl", "moved.jsonl"))
    for model in set(apps.get_models()) - MADE_BY_MIGRATE:
        assert model._base_manager.exists(), f"no row of {model.__name__} to move"
    call_command("dumpdata", *DUMP, output=str(whole))
    call_command("dumpdata", *DUMP, format="jsonl", output=str(lines))

    manage(postgresql, "migrate", "--verbosity=0")
    manage(postgresql, "loaddata", str(whole))
    manage(postgresql, "dumpdata", *DUMP, "--format=jsonl", f"--output={moved}")
    assert moved.read_text().splitlines() == lines.read_text().splitlines()
    with psycopg.connect(postgresql) as connection:
        rows = connection.execute("SELECT token_count, message_count, created_at FROM sessions")
        assert rows.fetchall() == [(2**40, 3_000_000_000, MOMENT)]
