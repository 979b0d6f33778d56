from typing import Any

from django.core.management.base import BaseCommand

from jobs_app import copies
from jobs_app.worker import sweeps
from sessions_app.management.refusals import refusals_end_the_command


class Command(BaseCommand):
    help = "End what is left of runs whose worker is gone, let their jobs go on, print counts."

    def handle(self, *args: Any, **options: Any) -> None:
        with refusals_end_the_command():
            copies.refuse_copy()
        count = sweeps.rescue()
        self.stdout.write(f"{count.rescued} rescued, {count.elsewhere} left on other hosts")
