from typing import Any

from django.core.management.base import BaseCommand

from jobs_app import copies


class Command(BaseCommand):
    help = (
        "Let a database that was copied, restored or moved by copying run its prompts here. "
        "Agents of the original are left alone."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        count = copies.adopt()
        self.stdout.write(f"Adopted. Open attempts that are left to the original: {count}.")
