"""What people ask of the queue: one function per verb, the same for admin, commands and shell.

Each verb is one transaction in which job, attempt and session change together. What workers
do is in `leases`. From outside: every verb.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from os import PathLike
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs_app import copies, leases, talk
from jobs_app import images as job_images
from jobs_app.models import (
    RETRYABLE,
    Job,
    JobAttempt,
    JobOptions,
    JobQuerySet,
    JobRequest,
    JobStatus,
    SessionHost,
    Worker,
    validate_approvals,
)
from sessions_app import changes, image_files
from sessions_app.ids import new_id_after
from sessions_app.image_files import ImageFile
from sessions_app.models import Session, SessionState

# --- what people ask for ----------------------------------------------------


def enqueue(
    session: Session,
    prompt: str,
    *,
    model: str | None = None,
    allowed_tools: Sequence[str] | None = None,
    approvals: str | None = None,
    prompt_id: str | None = None,
    max_attempts: int | None = None,
    images: Sequence[ImageFile | str | PathLike[str]] = (),
) -> Job:
    """Queue a prompt after the session's earlier ones.

    `approvals` is "ask" or "deny", None for what the session wants. `prompt_id` groups the jobs
    of one prompt that is run again; `images` are paths, or images that are kept already. Raises
    ValidationError, and queues nothing, if one of these is wrong or the session is archived.
    """
    data: dict[str, Any] = {"prompt": prompt, "projectPath": session.project_path}
    data.update(_options(session, model, allowed_tools))
    job = Job(session=session, data=data)
    if prompt_id:
        job.prompt_id = prompt_id
    if max_attempts is not None:
        job.max_attempts = max_attempts
    job.full_clean()
    _check_approvals(approvals)
    shown = job_images.checked(images) or None
    try:
        with _images_kept(shown), transaction.atomic():
            require_active(session.pk)
            job.pk = new_id_after(newest_job(session.pk))
            job.save(force_insert=True)
            if approvals or shown:
                JobOptions.objects.create(job=job, approvals=approvals or None, images=shown)
            copies.note_first()
            changes.announce(changes.JOBS)
    except IntegrityError:  # deleted at the same moment
        raise ValidationError("This session no longer exists.") from None
    return job


def edit(
    job: Job,
    *,
    prompt: str,
    model: str | None = None,
    allowed_tools: Sequence[str] | None = None,
    approvals: str | None = None,
    max_attempts: int | None = None,
    images: Sequence[ImageFile | str | PathLike[str]] | None = None,
) -> None:
    """Change a job that is still waiting; ValidationError if it has started meanwhile. Without
    `images` it keeps those that it has."""
    _check_approvals(approvals)
    shown = None if images is None else job_images.checked(images)
    with _images_kept(shown), transaction.atomic():
        locked = Job.objects.select_for_update().select_related(None).get(pk=job.pk)
        if locked.status != JobStatus.PENDING:
            raise ValidationError(f"This job is {locked.status}: only a pending one can be edited.")
        if JobRequest.objects.filter(job=locked, closed_at=None).exists():
            raise ValidationError(
                "This job's agent has asked something: answer that, or cancel the job."
            )
        # A changed prompt is shown again when it runs, so its message is not kept.
        is_same = not _change_images(locked, shown) and prompt == locked.prompt
        keys = ("projectPath", "messageId") if is_same else ("projectPath",)
        locked.data = {
            "prompt": prompt,
            **{key: locked.data[key] for key in keys if key in locked.data},
            **_options(locked.session, model, allowed_tools),
        }
        if max_attempts is not None:
            locked.max_attempts = max_attempts
        locked.full_clean()
        locked.save(update_fields=["data", "max_attempts"])
        _change_approvals(locked, approvals)
        changes.announce(changes.JOBS)


def cancel(job: Job) -> bool:
    """Cancel a pending job now, or ask the worker to stop a running one; False if it has ended."""
    # Pending twice: between the two looks its attempt may have ended, and the job now waits
    # for a retry. Each in its own transaction: the end of an attempt locks it, then its job.
    for change in (_cancel_pending, _ask_to_stop, _cancel_pending):
        with transaction.atomic():
            if change(job):
                changes.announce(changes.JOBS)
                return True
    return False


def _cancel_pending(job: Job) -> bool:
    changed = (
        Job.objects.pending()
        .filter(pk=job.pk)
        .update(status=JobStatus.CANCELLED, completed_at=timezone.now(), next_retry_at=None)
    )
    if changed:
        talk.settle({job.pk: JobStatus.CANCELLED})
        idle = Session.objects.filter(pk=job.session_id, is_working=False)
        idle.update(last_job_status=JobStatus.CANCELLED)
    return bool(changed)


def _ask_to_stop(job: Job) -> bool:
    running = JobAttempt.objects.open().filter(job_id=job.pk, cancel_requested_at=None)
    return bool(running.update(cancel_requested_at=timezone.now()))


def retry(job: Job) -> bool:
    """Queue a failed or cancelled job again with all its attempts; False if it is neither."""
    with transaction.atomic():
        require_active(job.session_id)
        ended = Job.objects.filter(pk=job.pk, status__in=RETRYABLE)
        changed = ended.update(
            status=JobStatus.PENDING,
            attempts=0,
            error=None,
            completed_at=None,
            next_retry_at=None,
        )
        if changed:
            changes.announce(changes.JOBS)
    return bool(changed)


def remove(jobs: Iterable[Job]) -> int:
    """Delete jobs with their attempts; ValidationError, and none deleted, if one is running."""
    with transaction.atomic():
        ids = [job.pk for job in jobs]
        locked = list(Job.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
        running = [job for job in locked if job.status == JobStatus.PROCESSING]
        if running:
            raise ValidationError(
                f"The job {running[0].title!r} is running: cancel it first, then delete it."
            )
        job_images.forget_later(jobs=ids)
        deleted, _ = Job.objects.filter(pk__in=ids).delete()
        changes.announce(changes.JOBS)
    return deleted


def move(session: Session, host: str) -> None:
    """Let the workers of another host run this session's prompts from now on.

    Its files and the agent's conversation must be there. An attempt that its host's
    death left open is closed; if its worker is alive, ValidationError is raised.
    """
    if not host or not host.isprintable():
        raise ValidationError(f"{host!r} is not a host name: use one that queue_status shows.")
    with transaction.atomic():
        # Locking the unfinished jobs waits for any claim under way, whose attempt the loop below
        # then sees, and keeps new claims out. The attempts are locked first, as at the end of one.
        open_runs = JobAttempt.objects.open().filter(session=session).order_by("pk")
        list(open_runs.select_for_update().values_list("pk"))
        waiting = Job.objects.unfinished().filter(session=session).order_by("pk")
        list(waiting.select_for_update().values_list("pk"))
        for attempt in open_runs.select_related("job", "session"):
            if Worker.objects.alive().filter(pk=attempt.worker_id).exists():
                raise ValidationError(f"The session runs on {attempt.host}: cancel its job first.")
            leases.rescue(attempt)
        SessionHost.objects.update_or_create(session=session, defaults={"host": host})
        changes.announce(changes.JOBS)


def prunable(age: timedelta) -> JobQuerySet:
    """Jobs that ended longer ago than this: only those that have ended have `completed_at`."""
    return Job.objects.filter(completed_at__lt=timezone.now() - age)


def prune(age: timedelta, batch: int = 100) -> int:
    """Delete some of the jobs that ended longer ago than this; messages stay. Returns how many."""
    old = prunable(age)
    ids = list(old.order_by("completed_at").values_list("pk", flat=True)[:batch])
    return old.filter(pk__in=ids).delete()[0]


# --- what the verbs share ---------------------------------------------------


def _images_kept(shown: Sequence[Any] | None) -> AbstractContextManager[None]:
    """Their files stay while the row that names them is written."""
    return image_files.held(image_files.parse(shown)) if shown else nullcontext()


def _change_images(job: Job, shown: Sequence[Any] | None) -> bool:
    """Whether these are others than the job had."""
    if shown is None or shown == [image.data() for image in job_images.of_job(job)]:
        return False
    JobOptions.objects.update_or_create(job=job, defaults={"images": shown or None})
    return True


def _options(
    session: Session, model: str | None, allowed_tools: Sequence[str] | None
) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if model:
        options["model"] = model
    if allowed_tools:
        session.validate_allowed_tools(list(allowed_tools))
        options["allowedTools"] = list(allowed_tools)
    return options


def _check_approvals(approvals: str | None) -> None:
    if approvals:
        validate_approvals(approvals)


def _change_approvals(job: Job, approvals: str | None) -> None:
    """A row only where there is something to keep."""
    if approvals:
        JobOptions.objects.update_or_create(job=job, defaults={"approvals": approvals})
    else:
        JobOptions.objects.filter(job=job).update(approvals=None)


def newest_job(session_id: str) -> str | None:
    """The id of its last job in order, after which a new one goes, even if another host's clock
    is ahead; None if it has none."""
    jobs = Job.objects.filter(session_id=session_id).order_by("-session_id", "-pk")
    return jobs.values_list("pk", flat=True).first()


def require_active(session_id: str) -> None:
    """ValidationError if the session takes no prompts."""
    state = Session.objects.filter(pk=session_id).values_list("state", flat=True).first()
    if state is None:
        raise ValidationError("This session no longer exists.")
    if state != SessionState.ACTIVE:
        raise ValidationError("This session is archived: make it active again first.")
