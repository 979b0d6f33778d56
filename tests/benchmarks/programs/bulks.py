"""The same messages a second in plain ways: Django's bulk_create and the driver's executemany."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from django.db import connection, transaction

from sessions_app.models import MessageType, Session, SessionMessage
from tests.benchmarks.programs import filling

BATCH = 500


def main(directory: str, agents: int, stream: str) -> dict[str, float]:
    lines = Path(stream).read_text().splitlines()
    sessions = filling.sessions(directory, agents)
    return {
        "bulk_create": _rate(_bulk_create, _messages(sessions, lines)),
        "executemany": _rate(_executemany, _messages(sessions, lines)),
    }


def _messages(sessions: Sequence[Session], lines: Sequence[str]) -> list[SessionMessage]:
    return [
        SessionMessage(
            session=session,
            provider=session.provider,
            type=MessageType.ASSISTANT,
            content_data=line,
            token_count=0,
        )
        for line in lines
        for session in sessions
    ]


def _rate(store: Callable[[list[SessionMessage]], float], messages: list[SessionMessage]) -> float:
    return len(messages) / store(messages)


def _bulk_create(messages: list[SessionMessage]) -> float:
    began = time.perf_counter()
    SessionMessage.objects.bulk_create(messages, batch_size=BATCH)
    return time.perf_counter() - began


def _executemany(messages: list[SessionMessage]) -> float:
    fields = SessionMessage._meta.concrete_fields
    rows = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        for row in messages
    ]
    columns = ", ".join(str(field.column) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO session_messages ({columns}) VALUES ({marks})"  # noqa: S608
    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(statement, rows)
    return time.perf_counter() - began
