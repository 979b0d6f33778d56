"""What the commands share: finding rows by the ids that people type."""

import argparse
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db.models import QuerySet

from jobs_app.models import Job, JobStatus
from sessions_app.lookup import find_session
from sessions_app.validation import is_unicode, printable


def whole_number(maximum: int) -> Callable[[str], int]:
    """A type for argparse: from 1 to `maximum`, which is that of the setting of the same kind."""

    def convert(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= maximum:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {maximum}")

    return convert


def add_job_selection(parser: ArgumentParser, statuses: tuple[str, ...]) -> None:
    """Jobs by id, or all of a session or of a status."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="the ids of jobs")
    parser.add_argument("--session", metavar="S", help="all jobs of this session")
    parser.add_argument("--status", choices=statuses, help="all jobs in this state")


def selected_jobs(options: dict[str, Any]) -> QuerySet[Job]:
    """The jobs that `add_job_selection`'s options name; CommandError if they name none."""
    if not (options["ids"] or options["session"] or options["status"]):
        raise CommandError("Name jobs by their ids, or use --session or --status.")
    jobs = Job.objects.order_by("pk")
    if options["ids"]:
        _require_all(options["ids"])
        jobs = jobs.filter(pk__in=options["ids"])
    if options["session"]:
        jobs = jobs.filter(session=find_session(options["session"]))
    if options["status"]:
        jobs = jobs.filter(status=options["status"])
    return jobs


def _require_all(ids: list[str]) -> None:
    storable = [job_id for job_id in ids if is_unicode(job_id)]
    known = set(Job.objects.filter(pk__in=storable).values_list("pk", flat=True))
    for job_id in ids:
        if job_id not in known:
            raise CommandError(f"There is no job {printable(job_id)!r}: see queue_status.")


def sentence(error: ValidationError) -> CommandError:
    """A ValidationError's sentences as the command's own error."""
    return CommandError(" ".join(error.messages))


ALL_STATUSES = tuple(JobStatus.values)
