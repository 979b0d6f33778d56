from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs_app import queue
from jobs_app.management.arguments import add_job_selection, selected_jobs
from jobs_app.models import UNFINISHED


class Command(BaseCommand):
    help = "Cancel jobs: waiting ones at once; running ones are stopped by their worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_job_selection(parser, tuple(status.value for status in UNFINISHED))

    def handle(self, *args: Any, **options: Any) -> None:
        jobs = list(selected_jobs(options))
        cancelled = sum(queue.cancel(job) for job in jobs)
        self.stdout.write(f"{cancelled} cancelled, {len(jobs) - cancelled} had ended already")
