"""Agents that print files as fast as they are read: from their jobs' commit to their end."""

import time
from pathlib import Path

from jobs_app.models import Job
from sessions_app.models import Session, SessionMessage
from tests.benchmarks import streams
from tests.benchmarks.programs import filling

LOOK = 0.01


def main(directory: str, agents: int, stream: str) -> float:
    """Messages a second; fails if one of any agent is missing or out of order."""
    sessions = filling.sessions(directory, agents)
    printed = Path(stream).read_text().splitlines()
    lines = [line for line in printed if not streams.is_piece(line)]
    filling.enqueue(sessions, agents)
    began = time.perf_counter()
    while Job.objects.unfinished().exists():
        time.sleep(LOOK)
    seconds = time.perf_counter() - began
    for session in sessions:
        _check(session, lines)
    return agents * len(lines) / seconds


def _check(session: Session, lines: list[str]) -> None:
    printed = SessionMessage.objects.filter(session=session).order_by("pk")
    _, *stored = printed.values_list("content_data", flat=True)  # the first is the prompt
    if stored != lines:
        raise AssertionError(
            f"{len(lines)} lines were printed, {len(stored)} stored, or not in order"
        )
