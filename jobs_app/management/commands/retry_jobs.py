from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand

from jobs_app import queue
from jobs_app.management.arguments import add_job_selection, selected_jobs, sentence
from jobs_app.models import JobStatus


class Command(BaseCommand):
    help = "Queue failed or cancelled jobs again, each with all its attempts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_job_selection(parser, (JobStatus.FAILED.value, JobStatus.CANCELLED.value))

    def handle(self, *args: Any, **options: Any) -> None:
        jobs = list(selected_jobs(options))
        try:
            queued = sum(queue.retry(job) for job in jobs)
        except ValidationError as error:
            raise sentence(error) from None
        skipped = len(jobs) - queued
        self.stdout.write(f"{queued} queued again, {skipped} were not failed or cancelled")
