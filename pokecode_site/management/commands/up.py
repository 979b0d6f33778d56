"""Start everything: the database, the first admin, the site and the job processor."""

import argparse
import asyncio
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection, connections

from jobs_app import copies
from jobs_app.agents import AGENTS, find
from jobs_app.demo import place
from jobs_app.worker import sweeps
from pokecode_site.serve import listening
from pokecode_site.serve.first_admin import PASSWORD_VARIABLE, create_first_admin
from pokecode_site.serve.site import SiteProcess
from pokecode_site.serve.supervisor import WorkerProcess, supervise
from sessions_app.management.refusals import refusals_end_the_command


class Command(BaseCommand):
    help = "Migrate, make the first admin, serve the site and run the job processor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to serve on")
        parser.add_argument("--port", type=_port, default=8000, help="port; 0 takes a free one")
        parser.add_argument(
            "--root-path",
            type=_root_path,
            default="",
            help="the path below which a proxy serves the site, such as /code; it removes it",
        )
        parser.add_argument(
            "--demo",
            action="store_true",
            help="without any real agent: a demo agent, a sample project, data of its own",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["demo"] and not settings.POKECODE_DEMO:
            self._restart(place.environment(PASSWORD_VARIABLE))
        was_given_password = PASSWORD_VARIABLE in os.environ
        with listening.open_socket(options["host"], options["port"]) as listener:
            self._prepare_database()
            if was_given_password:
                self._restart(os.environ)
            self._describe()
            connections.close_all()
            opened = _invitation(listening.address(listener), options["root_path"])
            with SiteProcess(listener, options["root_path"], lambda: self._say(opened)) as site:
                self._run(site, WorkerProcess([*_program(), "process_jobs"], self._say))
        self._say("Stopped.")

    def _restart(self, environment: Mapping[str, str]) -> NoReturn:
        """Settings are read once a process, and others can see what it was started with.

        So the demo needs a new one, and so does whoever has used a password from there.
        """
        command = [*_program(), *sys.argv[1:]]
        os.umask(settings.AGENT_UMASK)
        os.execve(sys.executable, command, environment)  # noqa: S606 - no shell wanted

    def _prepare_database(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        with refusals_end_the_command():
            copies.refuse_copy()
        first_admin = create_first_admin()
        if settings.POKECODE_DEMO:
            place.prepare()
        if first_admin:
            self._say(first_admin)

    def _describe(self) -> None:
        if settings.POKECODE_DEMO:
            self._say("Agents: the demo agent stands in for all; it uses no model and no network.")
        else:
            for agent in AGENTS.values():
                self._say(f"{agent.name}: {find(agent) or f'not found. {agent.install_hint}'}")
        self._say(f"Data directory: {settings.POKECODE_DATA_DIR}")
        if settings.POKECODE_DEMO:  # their own default is the directory without the demo
            self._say("For other commands on the demo, set POKECODE_DATA_DIR to this directory.")
        if connection.vendor == "postgresql":
            self._say(f"Database: PostgreSQL, {connection.settings_dict['NAME']}")

    def _run(self, site: SiteProcess, worker: WorkerProcess) -> None:
        # A stubborn agent is interrupted, terminated, then killed, a grace after each.
        patience = 2 * settings.POKECODE_CANCEL_GRACE + 5
        asyncio.run(supervise(site, worker, self._say, patience))
        if worker.was_killed:
            sweeps.rescue()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _program() -> list[str]:
    """How this program was started, less its arguments: manage.py, pokecode or -m, and flags."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]]


def _invitation(address: str, root_path: str) -> str:
    below = f" through a proxy that serves it below {root_path}" if root_path else ""
    return f"Open {address}{below}"


def _root_path(value: str) -> str:
    if re.fullmatch(r"(/[\w.~-]+)*", value, re.ASCII):
        return value
    raise argparse.ArgumentTypeError(f"{value!r} is not a path such as /code.")


def _port(value: str) -> int:
    if value.isascii() and value.isdigit() and int(value) <= 65535:
        return int(value)
    raise argparse.ArgumentTypeError(f"{value!r} is not a port: give a number from 0 to 65535.")
