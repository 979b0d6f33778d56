"""django-tasks-db on SQLite, with the pragmas that PokéCode sets."""

import os
import time
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

from tests.benchmarks.peer_programs import knocking

PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-64000;"

settings.configure(
    INSTALLED_APPS=["django_tasks", "django_tasks_db"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["BENCHMARK_DIRECTORY"]) / "peer.sqlite3",
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30, "init_command": PRAGMAS},
        }
    },
    TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
    USE_TZ=True,
)
django.setup()

from django_tasks import task  # noqa: E402 - it needs the settings


@task()
def noop():
    pass


@task()
def knock():
    knocking.knock()


def drain(count):
    call_command("migrate", verbosity=0)
    for _ in range(count):
        noop.enqueue()
    began = time.perf_counter()
    _work("--batch", "--no-startup-delay")
    return count / (time.perf_counter() - began)


def starts(count):
    call_command("migrate", verbosity=0)
    return knocking.starts("django_tasks_db", knock.enqueue, count)


def work(_count):
    _work()


def _work(*options):
    call_command("db_worker", *options, "--no-reload", verbosity=0)
