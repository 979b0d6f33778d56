"""What the commands share that do one act to many jobs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from jobs_app.acts import Act, apply
from jobs_app.models import Job
from sessions_app.lookup import find_session
from sessions_app.validation import is_unicode, printable


class ActCommand(BaseCommand):
    """Does `act` to each of the jobs that are named; fails in the end if one was refused."""

    act: Act

    def add_arguments(self, parser: ArgumentParser) -> None:
        statuses = [status.value for status in self.act.statuses]
        parser.add_argument("ids", nargs="*", metavar="ID", help="the ids of jobs")
        parser.add_argument("--session", metavar="S", help="all jobs of this session")
        parser.add_argument("--status", choices=statuses, help="all jobs in this state")

    def handle(self, *args: Any, **options: Any) -> None:
        result = apply(self.act, list(_selected(options)))
        changed, unfit = len(result.changed), len(result.unfit)
        self.stdout.write(f"{changed} {self.act.done}, {unfit} {self.act.not_done}")
        if result.refusals:
            refused = [f"{count} refused: {why}" for why, count in result.refusals.items()]
            raise CommandError(" ".join(refused))


def _selected(options: dict[str, Any]) -> QuerySet[Job]:
    """The jobs that the options name; CommandError if they name none."""
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
