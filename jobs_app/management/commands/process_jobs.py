import asyncio
import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs_app import copies
from jobs_app.management.arguments import whole_number
from jobs_app.worker.processor import JobProcessor, WorkerFailed
from sessions_app.management.refusals import refusals_end_the_command


class Command(BaseCommand):
    help = (
        "Run queued prompts with the agents' own command-line tools. The first SIGTERM or "
        "SIGINT lets running agents finish, a second one interrupts them; their jobs go on later."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=whole_number(1000),
            metavar="N",
            default=settings.POKECODE_WORKER_CONCURRENCY,
            help="how many agents run at once (default: %(default)s)",
        )
        parser.add_argument(
            "--drain", action="store_true", help="exit with 0 when nothing is left to run"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        logging.captureWarnings(True)
        with refusals_end_the_command():
            copies.refuse_copy()
        processor = JobProcessor(options["concurrency"], until_empty=options["drain"])
        try:
            asyncio.run(processor.run())
        except WorkerFailed as error:
            raise CommandError(str(error)) from error
