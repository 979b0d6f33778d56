from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs_app import queue
from jobs_app.processes.host import this_host
from jobs_app.worker import sweeps
from sessions_app.lookup import find_session
from sessions_app.management.refusals import refusals_end_the_command


class Command(BaseCommand):
    help = (
        "Let another host's workers run a session's prompts. The project and the agent's "
        "conversation must be there, at the same paths."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("session", metavar="SESSION", help="the session's id, or part of it")
        parser.add_argument(
            "host",
            metavar="HOST",
            nargs="?",
            default=this_host().name,
            help="the host's name (default: this one, %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sweeps.rescue()  # what is left here of a run ends before another host goes on
        with refusals_end_the_command():
            queue.move(find_session(options["session"]), options["host"])
        self.stdout.write(f"moved to {options['host']}")
