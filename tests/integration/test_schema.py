"""The migrated database is the schema to the letter, on SQLite and on PostgreSQL."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs_app.models import Job, JobAttempt
from sessions_app.models import Session, SessionMessage

pytestmark = [pytest.mark.queue, pytest.mark.django_db]

# column: (type, nullable, default in the database)
SCHEMA = {
    "sessions": {
        "id": ("text", False, None),
        "provider": ("text", False, None),
        "project_path": ("text", False, None),
        "name": ("text", False, None),
        "context": ("text", True, None),
        "claude_directory_path": ("text", True, None),
        "metadata": ("text", True, None),
        "created_at": ("timestamp", False, None),
        "updated_at": ("timestamp", False, None),
        "last_accessed_at": ("timestamp", False, None),
        "is_working": ("boolean", False, "0"),
        "current_job_id": ("text", True, None),
        "last_job_status": ("text", True, None),
        "message_count": ("integer", False, "0"),
        "token_count": ("integer", False, "0"),
        "state": ("text", False, "active"),
    },
    "session_messages": {
        "id": ("text", False, None),
        "session_id": ("text", False, None),
        "provider": ("text", False, None),
        "type": ("text", False, None),
        "content_data": ("text", False, None),
        "provider_session_id": ("text", True, None),
        "token_count": ("integer", True, None),
        "created_at": ("timestamp", False, None),
    },
    "job_queue": {
        "id": ("text", False, None),
        "session_id": ("text", False, None),
        "prompt_id": ("text", False, None),
        "status": ("text", False, "pending"),
        "data": ("text", False, None),
        "attempts": ("integer", False, "0"),
        "max_attempts": ("integer", False, "3"),
        "created_at": ("timestamp", False, None),
        "started_at": ("timestamp", True, None),
        "completed_at": ("timestamp", True, None),
        "error": ("text", True, None),
        "next_retry_at": ("timestamp", True, None),
    },
}

INDEXES = {
    "sessions": {
        "idx_sessions_last_accessed": ["last_accessed_at"],
        "idx_sessions_is_working": ["is_working"],
    },
    "session_messages": {
        "idx_session_messages_session_id": ["session_id"],
        "idx_session_messages_type": ["type"],
        "idx_session_messages_created_at": ["created_at"],
        "idx_session_messages_provider": ["provider"],
        "idx_session_messages_provider_session_id": ["provider_session_id"],
    },
    "job_queue": {
        "idx_job_queue_status": ["status"],
        "idx_job_queue_next_retry": ["next_retry_at"],
        "idx_job_queue_session_id": ["session_id"],
        "idx_job_queue_created_at": ["created_at"],
    },
}

CASCADES = {
    ("session_messages", "session_id", "sessions"),
    ("job_queue", "session_id", "sessions"),
    ("job_attempts", "job_id", "job_queue"),
    ("job_attempts", "session_id", "sessions"),
    ("session_hosts", "session_id", "sessions"),
    ("session_options", "session_id", "sessions"),
    ("job_options", "job_id", "job_queue"),
    ("prompt_images", "session_id", "sessions"),
    ("job_requests", "attempt_id", "job_attempts"),
    ("job_requests", "job_id", "job_queue"),
    ("job_requests", "session_id", "sessions"),
    ("job_steers", "job_id", "job_queue"),
    ("job_steers", "session_id", "sessions"),
    ("job_drafts", "attempt_id", "job_attempts"),
    ("job_drafts", "session_id", "sessions"),
    ("prompt_images", "session_id", "sessions"),
}

# What each database calls the schema's types.
TYPES = {
    "text": "text",
    "bool": "boolean",
    "boolean": "boolean",
    "integer": "integer",
    "bigint": "integer",  # PostgreSQL's integer holds less than SQLite's
    "datetime": "timestamp",
    "timestamp with time zone": "timestamp",
}


def _fetch(sql: str, *parameters: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def _columns(table: str) -> dict[str, tuple]:
    if connection.vendor == "postgresql":
        rows = _fetch(
            "SELECT column_name, data_type, is_nullable = 'YES', column_default"
            " FROM information_schema.columns WHERE table_name = %s",
            table,
        )
    else:
        rows = _fetch(
            'SELECT name, lower(type), NOT "notnull", dflt_value FROM pragma_table_info(%s)', table
        )
    return {
        name: (TYPES.get(kind, kind), bool(nullable), _default(default))
        for name, kind, nullable, default in rows
    }


def _default(ddl: str | None) -> str | None:
    """A default without the quotes and casts of one database; SQLite writes false as 0."""
    if ddl is None:
        return None
    plain = ddl.partition("::")[0].strip("()'")
    return "0" if plain == "false" else plain


def _indexes(table: str) -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)
    return {name: item["columns"] for name, item in found.items() if item["index"]}


def _cascades() -> set[tuple[str, str, str]]:
    """(table, column, parent) of every foreign key with ON DELETE CASCADE in the DDL."""
    if connection.vendor == "postgresql":
        rows = _fetch(
            "SELECT conrelid::regclass::text, attname, confrelid::regclass::text"
            " FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
            " WHERE contype = 'f' AND confdeltype = 'c'"
        )
    else:
        rows = _fetch(
            'SELECT tables.name, keys."from", keys."table" FROM sqlite_schema AS tables,'
            " pragma_foreign_key_list(tables.name) AS keys"
            " WHERE tables.type = 'table' AND keys.on_delete = 'CASCADE'"
        )
    return set(rows)


@pytest.mark.parametrize("table", SCHEMA)
def test_columns_types_nullability_and_defaults_are_the_schemas(table):
    assert _columns(table) == SCHEMA[table]


@pytest.mark.parametrize("table", INDEXES)
def test_every_index_of_the_schema_is_there_under_its_name(table):
    found = _indexes(table)
    assert {name: found.get(name) for name in INDEXES[table]} == INDEXES[table]


def test_cascades_are_the_databases_own():
    assert _cascades() == CASCADES


def _insert_messages(session: Session, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO session_messages"
            " (id, session_id, provider, type, content_data, created_at)"
            " WITH RECURSIVE numbers (n) AS"
            " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)"
            " SELECT 'm' || n, session_id, provider, type, content_data, created_at"
            " FROM numbers, session_messages WHERE session_id = %s",
            [count, session.pk],
        )


@pytest.fixture
def full_session(session):
    """A session with a message, a job and an attempt."""
    SessionMessage.objects.create(session=session, provider="claude-code", type="user")
    job = Job.objects.create(
        session=session, data={"prompt": "Hello", "projectPath": session.project_path}
    )
    JobAttempt.objects.create(job=job, session=session, number=1, worker_id="w", host="h")
    return session


def test_deleting_a_session_with_100_000_messages_is_one_statement(full_session):
    _insert_messages(full_session, 100_000)
    assert full_session.messages.count() > 100_000
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        full_session.delete()
    statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(statements) == 1, statements
    for model in (Session, SessionMessage, Job, JobAttempt):
        assert not model.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_message_without_a_session_is_refused_by_the_database(full_session):
    orphan = SessionMessage(session_id="nobody", provider="claude-code", type="user")
    with pytest.raises(IntegrityError):
        orphan.save(force_insert=True)
    assert SessionMessage.objects.count() == 1


def test_defaults_hold_for_rows_that_other_programs_insert(session):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO job_queue (id, session_id, prompt_id, data, created_at)"
            " VALUES ('j', %s, 'p', %s, %s)",
            [session.pk, '{"prompt": "Hi", "projectPath": "/"}', timezone.now()],
        )
    job = Job.objects.get(pk="j")
    assert (job.status, job.attempts, job.max_attempts) == ("pending", 0, 3)
