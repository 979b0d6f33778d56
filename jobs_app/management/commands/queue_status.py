import asyncio
import json
from argparse import ArgumentParser
from contextlib import suppress
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.core.management.base import BaseCommand

from jobs_app import status
from sessions_app import changes
from sessions_app.display.terminal import safe


class Command(BaseCommand):
    help = "Print counts of jobs by state, what waits for an answer, the running jobs, the workers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--watch", action="store_true", help="print again whenever it changes, until Ctrl-C"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        show = self._show_json if options["json"] else self._show_text
        if not options["watch"]:
            show(status.snapshot())
            return
        with suppress(KeyboardInterrupt):
            asyncio.run(self._watch(show))

    async def _watch(self, show: Any) -> None:
        last = None
        async with changes.listen(changes.JOBS, changes.RUNS) as bell:
            while True:
                found = await sync_to_async(status.snapshot)()
                if _without_clocks(found) != last:
                    show(found)
                    last = _without_clocks(found)
                await bell.wait()

    def _show_json(self, found: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(found))
        self.stdout.flush()

    def _show_text(self, found: dict[str, Any]) -> None:
        for line in _lines(found):
            self.stdout.write(safe(line))
        self.stdout.flush()


def _lines(found: dict[str, Any]) -> list[str]:
    lines = ["  ".join(f"{name} {count}" for name, count in found["jobs"].items())]
    if count := found["unanswered"]:
        what = "request waits" if count == 1 else "requests wait"
        lines.append(f"{count} {what} for an answer: see list_requests")
    for run in found["running"]:
        where = run["host"] if run["worker_alive"] else f"{run['host']}, whose worker is gone"
        what = f"{run['session']}: {run['title']}"
        lines.append(f"{_state(run)}  {run['job']}  {run['seconds']:.0f} s on {where}  {what}")
    for job in found["parked"]:
        lines.append(f"waits for you  {job['job']}  {job['session']}: {job['title']}")
    if more := found["parked_in_all"] - len(found["parked"]):
        lines.append(f"waits for you  {more} more")
    for job in found["waiting"]:
        until = datetime.fromisoformat(job["until"])
        lines.append(
            f"waiting  {job['job']}  until {until:%Y-%m-%d %H:%M:%S %Z}  {job['error'] or ''}"
        )
    if more := found["waiting_in_all"] - len(found["waiting"]):
        lines.append(f"waiting  {more} more, until later")
    for host in found["hosts_without_worker"]:
        lines.append(f"prompts wait for a worker on {host}: start one there, or use move_session")
    for worker in found["workers"]:
        state = "alive" if worker["alive"] else "gone"
        lines.append(
            f"worker  {worker['host']} process {worker['pid']}, {worker['concurrency']} slots, "
            f"{state}, heard {worker['heartbeat_seconds_ago']:.0f} s ago"
        )
    if not found["workers"]:
        lines.append("no worker is running: start one with process_jobs or up")
    return lines


def _state(run: dict[str, Any]) -> str:
    if run["stopping"]:
        return "stopping"
    return "waits for you" if run["waits_for_you"] else "running"


def _without_clocks(found: dict[str, Any]) -> str:
    moving = {"seconds", "heartbeat_seconds_ago"}
    trimmed = {
        name: [{k: v for k, v in row.items() if k not in moving} for row in rows]
        for name, rows in found.items()
        if isinstance(rows, list) and name != "hosts_without_worker"
    }
    return json.dumps([found["jobs"], found["unanswered"], found["hosts_without_worker"], trimmed])
