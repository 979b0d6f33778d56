import os
from argparse import ArgumentParser
from typing import Any

from django.contrib.admin.models import ADDITION, DELETION
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from jobs_app.models import ProjectTrust
from jobs_app.trusts import trust
from jobs_app.who import log_at_shell, this_user
from sessions_app.display.terminal import safe
from sessions_app.management.refusals import refusals_end_the_command
from sessions_app.projects.directories import resolve_project


class Command(BaseCommand):
    help = (
        "Let a project's own agent settings (hooks, MCP servers, environment) take effect: "
        "they run programs. Without this they stay off."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", nargs="?", help="the project's directory")
        parser.add_argument("--revoke", action="store_true", help="trust it no longer")
        parser.add_argument("--list", action="store_true", help="print the trusted projects")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            self._list()
        elif not options["path"]:
            raise CommandError("Give the project's directory, or --list.")
        elif options["revoke"]:
            self._revoke(os.path.realpath(options["path"]))
        else:
            self._trust(options["path"])

    def _list(self) -> None:
        rows = list(ProjectTrust.objects.order_by("path"))
        if not rows:
            self._say("No project is trusted.")
        for row in rows:
            when = row.trusted_at.isoformat(timespec="seconds")
            self._say(f"{row.path}  trusted by {row.trusted_by}, {when}")

    def _trust(self, given: str) -> None:
        with refusals_end_the_command():
            path = str(resolve_project(given))
        with transaction.atomic():
            added = trust([path], this_user())
            if added:
                _log(path, ADDITION, "Trusted")
        self._say(f"{'Trusted' if added else 'Already trusted'}: {path}")

    def _revoke(self, path: str) -> None:
        with transaction.atomic():
            removed, _ = ProjectTrust.objects.filter(path=path).delete()
            if removed:
                _log(path, DELETION, "No longer trusted")
        self._say(f"{'No longer trusted' if removed else 'Was not trusted'}: {path}")

    def _say(self, line: str) -> None:
        self.stdout.write(safe(line))


def _log(path: str, flag: int, what: str) -> None:
    log_at_shell(ProjectTrust(path=path), f"{what} by {this_user()}.", flag)
