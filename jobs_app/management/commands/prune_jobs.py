from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from jobs_app.management.arguments import whole_number
from jobs_app.worker import sweeps


class Command(BaseCommand):
    help = "Delete jobs that ended long ago, print how many. Messages are kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days",
            type=whole_number(36500),
            metavar="N",
            default=settings.POKECODE_JOB_RETENTION_DAYS,
            help="keep jobs that ended within this many days (default: %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        count = sweeps.prune(options["days"], dry_run=options["dry_run"])
        self.stdout.write(f"{count} {'would be ' if options['dry_run'] else ''}deleted")
