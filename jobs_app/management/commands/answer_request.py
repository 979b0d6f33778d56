import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_app import answers
from jobs_app.management.requests import answered, find_request, read_input, read_replies
from jobs_app.models import JobRequest
from sessions_app.display.terminal import put, safe
from sessions_app.management.refusals import refusals_end_the_command
from sessions_app.providers.asked import MODES

TAKES = {
    "allow": {"--input", "--for-session", "--mode"},
    "deny": {"--why", "--stop"},
    "answer": {"ANSWER"},
}
"""What goes with which kind of answer."""


class Command(BaseCommand):
    help = "Answer what an agent asks, once: list_requests shows what waits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="ID", help="the request's id, or its start or end")
        parser.add_argument(
            "how",
            metavar=f"{{{','.join(TAKES)}}}",
            choices=list(TAKES),
            help="allow or deny it, or answer a question",
        )
        parser.add_argument(
            "answers",
            nargs="*",
            metavar="ANSWER",
            help="a choice's number or words, or your own words; with several questions "
            "NUMBER=ANSWER, and again for several choices",
        )
        parser.add_argument(
            "--input", metavar="JSON", help="allow it with this input instead (Claude Code)"
        )
        parser.add_argument(
            "--for-session",
            action="store_true",
            help="allow it from now on in this session, by the rules that list_requests shows",
        )
        parser.add_argument(
            "--mode", choices=MODES, help="how a plan's edits go on: accepted, or asked about"
        )
        parser.add_argument("--why", metavar="WORDS", help="words that the agent is told")
        parser.add_argument(
            "--stop", action="store_true", help="deny it, and stop the agent's turn"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        request = find_request(options["id"])
        _refuse_what_does_not_fit(options)
        with refusals_end_the_command():
            _give(request, options)
        request.refresh_from_db()
        put(self.stdout, f"{safe(answered(request))}\n")


def _refuse_what_does_not_fit(options: dict[str, Any]) -> None:
    given = {
        "--input": options["input"] is not None,
        "--for-session": options["for_session"],
        "--mode": options["mode"] is not None,
        "--why": options["why"] is not None,
        "--stop": options["stop"],
        "ANSWER": bool(options["answers"]),
    }
    for name, is_given in given.items():
        if is_given and name not in TAKES[options["how"]]:
            raise CommandError(f"{name} does not go with {options['how']}.")


def _give(request: JobRequest, options: dict[str, Any]) -> None:
    match options["how"]:
        case "allow":
            input = options["input"]
            answers.allow(
                request,
                input=None if input is None else read_input(input) or {},
                for_session=options["for_session"],
                mode=options["mode"],
            )
        case "deny":
            answers.deny(request, why=options["why"] or "", stop=options["stop"])
        case _:
            answers.reply(request, _replies(request, options["answers"]))


def _replies(request: JobRequest, words: list[str]) -> dict[str, list[str]]:
    """A secret is asked for, where the terminal does not show it, unless it was given."""
    asked = request.asked
    replies = read_replies(asked, words)
    for question in asked.questions:
        if question.is_secret and question.key not in replies:
            replies[question.key] = [getpass.getpass(f"{safe(question.text)} ")]
    return replies
