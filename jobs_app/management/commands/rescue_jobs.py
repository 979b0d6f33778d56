from typing import Any

from django.core.management.base import BaseCommand

from jobs_app.worker import sweeps


class Command(BaseCommand):
    help = "End what is left of runs whose worker is gone, let their jobs go on, print counts."

    def handle(self, *args: Any, **options: Any) -> None:
        count = sweeps.rescue()
        self.stdout.write(f"{count.rescued} rescued, {count.elsewhere} left on other hosts")
