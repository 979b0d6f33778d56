"""From the moment that an agent prints a line to that when a reader sees it, in milliseconds."""

import json
import time
from collections.abc import Iterator

from django.db import connection

from tests.benchmarks.programs import filling

LOOK = 0.002
PATIENCE = 60
NEXT = "SELECT id, content_data FROM session_messages WHERE id > %s ORDER BY id"


def main(directory: str, agents: int, lines: int) -> list[float]:
    """`lines` is how many each agent prints; fails if one does not come."""
    filling.enqueue(filling.sessions(directory, agents), agents)
    delays = []
    for content, seen in _new_messages():
        if printed := json.loads(content).get("printed"):
            delays.append((seen - printed) / 1e6)
        if len(delays) == agents * lines:
            return delays
    raise TimeoutError(f"{len(delays)} of {agents * lines} lines were seen")


def _new_messages() -> Iterator[tuple[str, int]]:
    """Each new message and the time when it was first seen, until none comes any more."""
    cursor, last_seen = "", time.time_ns()
    while time.time_ns() - last_seen < PATIENCE * 1e9:
        rows = _rows_after(cursor)
        seen = time.time_ns()
        if rows:
            cursor, last_seen = rows[-1][0], seen  # ids of one worker increase
        for _, content in rows:
            yield content, seen
        time.sleep(LOOK)


def _rows_after(message_id: str) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(NEXT, [message_id])
        return cursor.fetchall()
