"""A copied database runs nothing: its prompts and its agents are the original's.

Whatever is stored in a database is copied with it. So what is stored here is a fact about
the database from outside: of SQLite its file, of PostgreSQL the server and the database's number
there. Where that is another one now, the database was copied, or moved by copying.
"""

import os
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from jobs_app.models import DatabaseIdentity, Job, JobAttempt, Worker
from sessions_app.validation import printable

POSTGRESQL = """
SELECT system_identifier::text, oid::text FROM pg_control_system(), pg_database
WHERE datname = current_database()
"""

COPY = (
    "This database is a copy of {place}, and its prompts are queued there too. "
    "To run them here, run `manage.py adopt_database` once."
)


@transaction.atomic
def refuse_copy() -> None:
    """Raises ValidationError if this database is a copy with unfinished jobs; where nothing could
    be run twice, what it is now is noted."""
    here = _identity()
    known = DatabaseIdentity.objects.filter(pk=1).values_list("identity", flat=True).first()
    if known is not None and not _is_same(known, here) and Job.objects.unfinished().exists():
        raise ValidationError(COPY.format(place=_place(known)))
    if known != here:
        _note(here)


def note_first() -> None:
    """Notes what this database is if that is not known yet: when its first prompt is queued, as it
    may be copied before a worker starts."""
    if not DatabaseIdentity.objects.exists():
        _note(_identity())


@transaction.atomic
def adopt() -> int:
    """Let this database's workers run its prompts; returns how many attempts were open.

    What runs of those belongs to the original: without the boot that they are from, a worker here
    gives their jobs back and ends no process.
    """
    _note(_identity())
    Worker.objects.all().delete()
    return JobAttempt.objects.open().update(boot_id="")


def _note(here: dict[str, Any]) -> None:
    DatabaseIdentity.objects.update_or_create(pk=1, defaults={"identity": here})


def _identity() -> dict[str, Any]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(POSTGRESQL)
            server, number = cursor.fetchone()
        return {"server": server, "number": number}
    path = os.path.realpath(connection.settings_dict["NAME"])
    info = os.stat(path)
    return {"path": path, "device": info.st_dev, "inode": info.st_ino}


def _is_same(known: dict[str, Any], here: dict[str, Any]) -> bool:
    """A file may get another path by `mv` or a mount, and its device another number by a reboot."""
    if "inode" not in here or known.get("inode") != here["inode"]:
        return known == here
    return known["path"] == here["path"] or known["device"] == here["device"]


def _place(identity: dict[str, Any]) -> str:
    path = identity.get("path")
    return f"the file '{printable(path, 200)}'" if path else "another PostgreSQL database"
