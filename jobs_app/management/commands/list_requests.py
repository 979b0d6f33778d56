import json
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from jobs_app.gists import sized, with_sizes
from jobs_app.management.requests import find_request, state
from jobs_app.models import JobRequest
from sessions_app.display.html import lasted
from sessions_app.display.terminal import put, safe, wants_colour
from sessions_app.display.terminal_requests import render_request
from sessions_app.visible import short_line


class Command(BaseCommand):
    help = "Print what agents ask and nobody has answered yet, oldest first; with an id, all of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "id", nargs="?", metavar="ID", help="a request's id, or its start or end"
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="print one JSON object a line, with all that is asked",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        is_short = not (options["id"] or options["json"] or options["verbosity"] > 1)
        requests = [find_request(options["id"])] if options["id"] else _waiting(is_short)
        show = self._show_line if is_short else self._show_json if options["json"] else self._show
        is_none = True
        for request in requests:
            show(request)
            is_none = False
        if is_none and not options["json"]:
            self.stdout.write("Nothing waits for an answer.")

    def _show_line(self, request: JobRequest) -> None:
        waits = lasted(timezone.now() - request.asked_at).replace("\u00a0", " ")
        name = short_line(request.session.name, 40)
        what = f"{short_line(request.tool, 40)}: " if request.kind == "permission" else ""
        [found] = sized([request])
        line = f"{request.pk}  {request.kind}  {name}  waits {waits}  {what}{found.gist}"
        put(self.stdout, f"{safe(line)}\n")

    def _show(self, request: JobRequest) -> None:
        put(self.stdout, f"{request.pk}  {safe(request.session.name)}  job {request.job_id}\n")
        colour = wants_colour(self.stdout)
        put(self.stdout, render_request(request.asked, colour=colour))
        put(self.stdout, f"  {safe(state(request))}\n\n")

    def _show_json(self, request: JobRequest) -> None:
        self.stdout.write(json.dumps(_as_json(request)).replace("\x7f", "\\u007f"))


def _waiting(is_short: bool) -> Iterable[JobRequest]:
    """Whole ones singly: each may be megabytes."""
    waiting = JobRequest.objects.unanswered().select_related("session").order_by("pk")
    return with_sizes(waiting).iterator(100) if is_short else waiting.iterator(1)


def _as_json(request: JobRequest) -> dict[str, Any]:
    return {
        "id": request.pk,
        "session": request.session_id,
        "session_name": request.session.name,
        "job": request.job_id,
        "asked_at": request.asked_at.isoformat(),
        "state": state(request),
        "asked": asdict(request.asked),
    }
