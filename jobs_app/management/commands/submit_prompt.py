import asyncio
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_app.management.asking import RequestTerminal
from jobs_app.management.typed_lines import TypedLines
from jobs_app.models import Approvals, Job, JobStatus, Worker
from sessions_app.display.following import follow
from sessions_app.display.terminal import TranscriptPrinter, safe
from sessions_app.lookup import find_session
from sessions_app.management.refusals import refusals_end_the_command

EXIT_CODES = {JobStatus.COMPLETED: 0, JobStatus.FAILED: 1, JobStatus.CANCELLED: 3}


PROMPT_HELP = "the prompt, or - for standard input; put -- before one that starts with -"


class Command(BaseCommand):
    help = (
        "Queue a prompt and print the job's id. With --wait, follow the transcript, ask here what "
        "the agent asks, and exit with 0 if the job completed, 1 if it failed, 3 if it was "
        "cancelled."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "session", metavar="SESSION", help="the session's id, or its start or end"
        )
        parser.add_argument("prompt", metavar="PROMPT", help=PROMPT_HELP)
        parser.add_argument("--model", metavar="M", help="the model, as the agent names it")
        parser.add_argument(
            "--allowed-tool",
            dest="allowed_tools",
            metavar="T",
            action="append",
            help="a tool that the agent may use without asking; can be given again",
        )
        parser.add_argument(
            "--image",
            dest="images",
            metavar="FILE",
            action="append",
            default=[],
            help="a PNG, JPEG, GIF or WebP file of up to 5 MB that goes with the prompt; can be "
            "given again",
        )
        parser.add_argument(
            "--approvals",
            choices=Approvals.values,
            help="what happens to what the agent needs a permission for "
            "(default: the session's, else the host's)",
        )
        parser.add_argument(
            "--wait",
            action="store_true",
            help="follow the transcript until the job has ended",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        session = find_session(options["session"])
        prompt = _standard_input() if options["prompt"] == "-" else options["prompt"]
        with refusals_end_the_command():
            job = Job.objects.enqueue(
                session,
                prompt,
                model=options["model"],
                allowed_tools=options["allowed_tools"],
                approvals=options["approvals"],
                images=options["images"],
            )
        self.stdout.write(job.pk)
        if options["wait"]:
            sys.exit(self._wait(job))

    def _wait(self, job: Job) -> int:
        self.stdout.flush()
        if not Worker.objects.alive().exists():
            self.stderr.write("No worker is running: start process_jobs or up, and the job runs.")
        try:
            asyncio.run(self._follow(job))
        except KeyboardInterrupt:
            self.stderr.write(f"Stopped watching; the job goes on: cancel_jobs {job.pk}")
            return 130
        job.refresh_from_db()
        if job.error:
            self.stderr.write(safe(job.error))
        return EXIT_CODES[JobStatus(job.status)]

    async def _follow(self, job: Job) -> None:
        can_answer = sys.stdin.isatty() and self.stdout.isatty()
        stream = self.stdout if can_answer else self.stderr
        typed = TypedLines(sys.stdin.fileno()) if can_answer else None
        terminal = RequestTerminal(job, stream, typed)
        printer = TranscriptPrinter(self.stdout, job.session)
        async with typed.taken_by(terminal.take) if typed else nullcontext():
            await follow(
                job.session,
                printer.show,
                cursor=job.pk,
                until=lambda: _has_ended(job),
                then=terminal.look,
            )


def _has_ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_finished


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise CommandError("The prompt is not valid UTF-8: save it as UTF-8 text.") from None
