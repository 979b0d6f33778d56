from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from jobs_app.models import Approvals, SessionOptions
from sessions_app.management.refusals import refusals_end_the_command
from sessions_app.models import Provider, Session


class Command(BaseCommand):
    help = "Create a session for a project directory and print its id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", metavar="PATH", help="the project's directory")
        parser.add_argument(
            "--provider",
            choices=Provider.values,
            default=Provider.CLAUDE_CODE.value,
            help="the agent (default: %(default)s)",
        )
        parser.add_argument("--name", metavar="N", help="a name (default: taken from the git root)")
        parser.add_argument(
            "--context", metavar="T", help="told to the agent at the start of the conversation"
        )
        parser.add_argument(
            "--allowed-tool",
            dest="allowed_tools",
            metavar="T",
            action="append",
            default=[],
            help="a tool that the agent may use without asking; may be repeated",
        )

        parser.add_argument(
            "--approvals",
            choices=Approvals.values,
            help="what happens to what the agent needs a permission for (default: the host's)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with refusals_end_the_command(), transaction.atomic():
            session = Session.objects.create_for_path(
                options["path"],
                provider=options["provider"],
                name=options["name"],
                context=options["context"],
                allowed_tools=options["allowed_tools"],
            )
            SessionOptions.objects.keep(session, approvals=options["approvals"])
        self.stdout.write(session.pk)
