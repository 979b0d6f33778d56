"""Runs of the fake agent, without a worker."""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import psutil

from jobs_app.processes.process import AgentProcess
from jobs_app.processes.spawning import Command, Spawned, spawn
from jobs_app.processes.tree import RUN_MARKER
from sessions_app.providers.events import LINE_LIMIT
from tests.process.site import FAKE_AGENT

RUN_ID = f"run-{os.getpid()}"
"""Of this process alone: another's tests end what carries the id of their run."""


class Ended(NamedTuple):
    exit_code: int
    stderr: str
    lines: list[tuple[bytes, bool]]


class Recorded:
    """A started agent and the lines that it printed, each with whether it was cut."""

    def __init__(self, process: AgentProcess, lines: list[tuple[bytes, bool]]) -> None:
        self.process = process
        self.lines = lines

    async def first_line(self) -> None:
        while not self.lines:
            await asyncio.sleep(0.005)

    async def end(self) -> Ended:
        return Ended(*await self.process.wait(), self.lines)


async def start(directory, argv, stdin=b"", run_id=RUN_ID, **options) -> Recorded:
    """A process that has got `stdin` and no more."""
    recorded = attached(spawned(directory, argv, run_id), **options)
    recorded.process.write(stdin)
    recorded.process.close_input()
    return recorded


def spawned(directory, argv, run_id=RUN_ID, *, input_outlives_us=False, **options) -> Spawned:
    environment = {"PATH": os.environ["PATH"], RUN_MARKER: run_id}
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        command = Command(argv, environment, input_outlives_us)
        return spawn(command, handle, run_id, **options)
    finally:
        os.close(handle)


def attached(found: Spawned, **options) -> Recorded:
    lines: list[tuple[bytes, bool]] = []
    process = AgentProcess.attach(
        found,
        lambda line, cut: lines.append((line, cut)),
        line_limit=LINE_LIMIT,
        backlog_directory=Path(tempfile.gettempdir()),
        **options,
    )
    return Recorded(process, lines)


async def start_fake(directory, wanted=None, **options) -> Recorded:
    prompt = f"Work. FAKE {json.dumps(wanted or {})}".encode()
    return await start(directory, [sys.executable, str(FAKE_AGENT), "claude"], prompt, **options)


def run(directory, argv, stdin=b"", **options) -> Ended:
    """Run a command to its end."""
    return asyncio.run(_finish(start(directory, argv, stdin, **options)))


def run_fake(directory, wanted=None, **options) -> Ended:
    return asyncio.run(_finish(start_fake(directory, wanted, **options)))


async def _finish(starting) -> Ended:
    recorded = await starting
    return await recorded.end()


def pid_in(path: Path) -> int:
    return int(path.read_text())


def is_running(pid: int) -> bool:
    """A process that has ended may stay listed until its parent, or init, takes note."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
