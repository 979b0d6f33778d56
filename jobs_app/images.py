"""Which images the rows name, and the files that none of them names any more.

A waiting job names its images in its options; once its prompt is shown, the message does too, for
as long as it is kept. The rows go with their session by the database's own cascade, so the files
are swept.
"""

import json
import re
from collections.abc import Iterable, Sequence
from functools import partial
from os import PathLike
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef

from jobs_app.models import Job, JobOptions, PromptImage
from sessions_app import image_files
from sessions_app.image_files import ImageFile
from sessions_app.models import Session, SessionMessage

A_DAY = 24 * 60 * 60.0
"""Seconds that an image is kept that was uploaded and not queued yet."""

HASH = re.compile("[0-9a-f]{64}")


def of_job(job: Job) -> list[ImageFile]:
    """A job's images; none if the row was changed behind our back, which its run says."""
    rows = JobOptions.objects.filter(job=job.pk)
    return named(rows.values_list("images", flat=True).first())


def named(value: Any) -> list[ImageFile]:
    """The images that a row names; none where it has not our form."""
    try:
        return image_files.parse(value or [])
    except ValidationError:
        return []


def checked(images: Sequence[ImageFile | str | PathLike[str]]) -> list[dict[str, Any]]:
    """What a job's row is to name: paths are read and kept. ValidationError if one is refused."""
    kept = [
        image if isinstance(image, ImageFile) else image_files.store_file(image) for image in images
    ]
    data = [image.data() for image in dict.fromkeys(kept)]
    image_files.parse(data)
    return data


# --- sweeping -----------------------------------------------------------------


def sweep() -> int:
    """Remove what no row has named for a day; returns how many files."""
    gone = ~Exists(SessionMessage.objects.filter(pk=OuterRef("message_id")))
    PromptImage.objects.filter(gone).delete()
    return image_files.remove(_named_hashes, older_than=A_DAY)


def forget_later(jobs: Iterable[str] = (), sessions: Iterable[str] = ()) -> None:
    """Remove what these jobs and sessions alone name, once their deletion is committed. Call it
    before they are deleted."""
    hashes = _hashes(JobOptions.objects.filter(job__in=list(jobs)))
    for session in Session.objects.filter(pk__in=list(sessions)):
        hashes |= _hashes(JobOptions.objects.filter(job__session=session))
        hashes |= set(session.prompt_images.values_list("hash", flat=True))
    if hashes:
        transaction.on_commit(partial(image_files.remove, _named_hashes, of=hashes), robust=True)


def _named_hashes() -> set[str]:
    """The jobs first: an image moves from a job to a message, and never back."""
    of_jobs = _hashes(JobOptions.objects.all())
    return of_jobs | set(PromptImage.objects.values_list("hash", flat=True).distinct())


def _hashes(rows: Any) -> set[str]:
    """From whatever stands there: of a row that was changed behind our back, too."""
    values = rows.exclude(images=None).values_list("images", flat=True)
    return {hash for value in values for hash in HASH.findall(json.dumps(value))}
