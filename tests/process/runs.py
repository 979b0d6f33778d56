"""Runs of the fake agent, without a worker."""

import asyncio
import json
import os
import sys
from pathlib import Path

import psutil

from jobs_app.agents.base import RUN_MARKER, Exit, Launch
from jobs_app.processes.process import AgentProcess
from tests.process.site import FAKE_AGENT

RUN_ID = f"run-{os.getpid()}"
"""Of this process alone: another's tests end what carries the id of their run."""


class Recorded:
    """A started agent and the lines that it printed, each with whether it was cut."""

    def __init__(self, process: AgentProcess, lines: list[tuple[bytes, bool]]) -> None:
        self.process = process
        self.lines = lines

    async def first_line(self) -> None:
        while not self.lines:
            await asyncio.sleep(0.005)


async def start(directory, argv, stdin=b"", run_id=RUN_ID, **options) -> Recorded:
    lines: list[tuple[bytes, bool]] = []
    environment = {"PATH": os.environ["PATH"], RUN_MARKER: run_id}
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        process = await AgentProcess.start(
            Launch(argv, environment, stdin),
            handle,
            lambda line, cut: lines.append((line, cut)),
            run_id=run_id,
            **options,
        )
    finally:
        os.close(handle)
    return Recorded(process, lines)


async def start_fake(directory, wanted=None, **options) -> Recorded:
    prompt = f"Work. FAKE {json.dumps(wanted or {})}".encode()
    return await start(directory, [sys.executable, str(FAKE_AGENT), "claude"], prompt, **options)


def run(directory, argv, stdin=b"", **options) -> tuple[Exit, list[tuple[bytes, bool]]]:
    """Run a command to its end: how it ended, and its lines."""
    return asyncio.run(_finish(start(directory, argv, stdin, **options)))


def run_fake(directory, wanted=None, **options) -> tuple[Exit, list[tuple[bytes, bool]]]:
    return asyncio.run(_finish(start_fake(directory, wanted, **options)))


async def _finish(starting) -> tuple[Exit, list[tuple[bytes, bool]]]:
    recorded = await starting
    return await recorded.process.wait(), recorded.lines


def pid_in(path: Path) -> int:
    return int(path.read_text())


def is_running(pid: int) -> bool:
    """A process that has ended may stay listed until its parent, or init, takes note."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
