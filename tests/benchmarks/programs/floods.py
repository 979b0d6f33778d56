"""One agent that prints a large file as fast as it is read: how long that and storing it takes."""

import hashlib
import subprocess
import time
from pathlib import Path

from sessions_app.models import Session, SessionMessage
from tests.benchmarks.programs import filling
from tests.benchmarks.programs.knocks import Knocks

CHUNK = 256 * 1024


def main(directory: str, pipe: str, stream: str) -> dict[str, float]:
    """Seconds that the agent took to print, and from its first line to its job's end."""
    knocks = Knocks(pipe)
    sessions = filling.sessions(directory, 1)
    (job,) = filling.enqueue(sessions, 1)
    began = knocks.wait()
    printed = knocks.wait() - began
    job.wait(timeout=1800)
    stored = time.time() - began
    _check(sessions[0], Path(stream))
    return {"printed": printed, "stored": stored, "bare": _bare(stream)}


def _check(session: Session, stream: Path) -> None:
    stored = hashlib.sha256()
    messages = SessionMessage.objects.filter(session=session).order_by("pk")[1:]  # 0: the prompt
    for content in messages.values_list("content_data", flat=True).iterator():
        stored.update(content.encode() + b"\n")
    if stored.hexdigest() != hashlib.sha256(stream.read_bytes()).hexdigest():
        raise AssertionError("what is stored is not what the agent printed")


def _bare(stream: str) -> float:
    """Seconds in which a reader that only reads takes the same stream from a pipe."""
    began = time.perf_counter()
    with subprocess.Popen(["cat", stream], stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        while process.stdout.read(CHUNK):
            pass
    return time.perf_counter() - began
