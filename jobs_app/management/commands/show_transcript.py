import asyncio
import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from jobs_app.management.fates import Fates
from sessions_app.display.following import follow, show_new
from sessions_app.display.terminal import TranscriptPrinter, put, wants_colour
from sessions_app.lookup import find_session
from sessions_app.models import Session, SessionMessage
from sessions_app.providers import display_message
from sessions_app.visible import visible


class Command(BaseCommand):
    help = "Print a session's conversation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "session", metavar="SESSION", help="the session's id, or its start or end"
        )
        parser.add_argument(
            "--follow", action="store_true", help="keep printing new messages until Ctrl-C"
        )
        parser.add_argument(
            "--format",
            choices=["text", "json", "raw"],
            default="text",
            help="text: for people; json: one object per line for each item shown; "
            "raw: each event as the agent printed it (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        session = find_session(options["session"])
        show = self._shower(session, options)
        with suppress(KeyboardInterrupt):
            if options["follow"]:
                asyncio.run(follow(session, show))
            else:
                show_new(session.pk, show)

    def _shower(
        self, session: Session, options: dict[str, Any]
    ) -> Callable[[list[SessionMessage]], None]:
        fates = Fates()
        if options["format"] == "text":
            colour = options["force_color"] or (
                wants_colour(self.stdout) and not options["no_color"]
            )
            return TranscriptPrinter(self.stdout, session, colour=colour, told=fates.told).show
        form = _as_json(fates) if options["format"] == "json" else _as_raw(self.stdout.isatty())
        return lambda messages: self._write(form(message, session) for message in messages)

    def _write(self, texts: Iterable[str]) -> None:
        for text in texts:
            put(self.stdout, text)
        self.stdout.flush()


def _as_json(fates: Fates) -> Callable[[SessionMessage, Session], str]:
    """A line for each shape: its class as "shape", its fields, its message's id and time."""

    def form(message: SessionMessage, session: Session) -> str:
        shapes = display_message(
            message.provider, message.type, message.content_data, session.project_path
        )
        about = {"message": message.pk, "at": message.created_at.isoformat()}
        told = fates.told(message, shapes)
        lines = (json.dumps({**about, "shape": type(s).__name__, **asdict(s)}) for s in told)
        return "".join(f"{line}\n" for line in lines).replace("\x7f", "\\u007f")

    return form


def _as_raw(to_terminal: bool) -> Callable[[SessionMessage, Session], str]:
    """The event exactly as it is stored, but made harmless for a terminal."""

    def form(message: SessionMessage, session: Session) -> str:
        content = message.content_data
        return f"{visible(content) if to_terminal else content}\n"

    return form
