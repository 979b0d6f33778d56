"""Every change of a job's state: one function a verb, the same ones for admin, commands and worker.

    pending -> processing -> completed | failed | cancelled
       ^___________|  (retry with backoff, release, defer)

Each verb is one transaction in which job, attempt and session change together.
What a run writes is fenced by its attempt: an attempt that is no longer open and
held by the same worker changes nothing, and the verb returns False.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs_app import claiming, leases
from jobs_app.claiming import Claim
from jobs_app.leases import End, Ending, Entry, Plan, RunReport, Start
from jobs_app.models import (
    Job,
    JobAttempt,
    JobQuerySet,
    JobStatus,
    Outcome,
    SessionHost,
    Worker,
    validate_job_data,
)
from sessions_app import changes, storage, transcript
from sessions_app.ids import new_id_after
from sessions_app.models import MessageType, Session, SessionState
from sessions_app.providers import events
from sessions_app.transcript import NewMessage, State

# --- what people ask for ----------------------------------------------------


def enqueue(
    session: Session,
    prompt: str,
    *,
    model: str | None = None,
    allowed_tools: Sequence[str] | None = None,
    prompt_id: str | None = None,
    max_attempts: int | None = None,
) -> Job:
    """Queue a prompt behind the session's earlier ones.

    `prompt_id` groups the jobs of one prompt that is run again. Raises
    ValidationError, and queues nothing, if the prompt, model or tools are wrong
    or the session is archived.
    """
    data: dict[str, Any] = {"prompt": prompt, "projectPath": session.project_path}
    data.update(_options(session, model, allowed_tools))
    job = Job(session=session, data=data)
    if prompt_id:
        job.prompt_id = prompt_id
    if max_attempts is not None:
        job.max_attempts = max_attempts
    job.full_clean()
    try:
        with transaction.atomic():
            _require_active(session.pk)
            job.pk = new_id_after(_newest_job(session.pk))
            job.save(force_insert=True)
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
    max_attempts: int | None = None,
) -> None:
    """Change a job that still waits; ValidationError if it has started meanwhile."""
    with transaction.atomic():
        locked = Job.objects.select_for_update().select_related(None).get(pk=job.pk)
        if locked.status != JobStatus.PENDING:
            raise ValidationError(f"This job is {locked.status}: only a pending one can be edited.")
        # A changed prompt is shown anew when it runs, so its message is not kept.
        keys = ("projectPath", "messageId") if prompt == locked.prompt else ("projectPath",)
        locked.data = {
            "prompt": prompt,
            **{key: locked.data[key] for key in keys if key in locked.data},
            **_options(locked.session, model, allowed_tools),
        }
        if max_attempts is not None:
            locked.max_attempts = max_attempts
        locked.full_clean()
        locked.save(update_fields=["data", "max_attempts"])
        changes.announce(changes.JOBS)


def cancel(job: Job) -> bool:
    """Cancel a pending job now, or ask the worker to stop a running one; False if it has ended."""
    # Pending again: its run may have ended, and wait for a retry, between the two looks.
    # Each for itself: a run that ends locks its attempt and then its job.
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
        idle = Session.objects.filter(pk=job.session_id, is_working=False)
        idle.update(last_job_status=JobStatus.CANCELLED)
    return bool(changed)


def _ask_to_stop(job: Job) -> bool:
    running = JobAttempt.objects.open().filter(job_id=job.pk, cancel_requested_at=None)
    return bool(running.update(cancel_requested_at=timezone.now()))


def retry(job: Job) -> bool:
    """Queue a failed or cancelled job again with all its attempts; False if it is neither."""
    with transaction.atomic():
        _require_active(job.session_id)
        ended = Job.objects.filter(pk=job.pk, status__in=[JobStatus.FAILED, JobStatus.CANCELLED])
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
        deleted, _ = Job.objects.filter(pk__in=ids).delete()
        changes.announce(changes.JOBS)
    return deleted


# --- what a worker does -----------------------------------------------------


def claim(worker: Worker, limit: int = 1) -> list[JobAttempt]:
    """Take the oldest runnable jobs, at most `limit`, each with its open attempt.

    Never two of one session, never a later prompt before an earlier one. The
    prompt becomes a user message now, once, however often its job is run.
    """
    return [plan.attempt for plan in claim_plans(worker, limit)]


def claim_plans(worker: Worker, limit: int) -> list[Plan]:
    """`claim`, with what the runs need to know."""
    try:
        return _claim(worker, limit, timezone.now())
    except (IntegrityError, storage.Unmet):  # another worker, or a move, was there at once
        return []


def _claim(worker: Worker, limit: int, now: datetime) -> list[Plan]:
    # The agent gets its prompt once the run's start is stored, and that waits for the disk.
    with storage.durable_with_the_next():
        claims = claiming.runnable(now, worker.host, limit)
        if not claims:
            return []
        with storage.together():
            attempts = leases.open_attempts(worker, claims, now)
            shown = _show_prompts(claims)
            leases.take(claims, shown, now)
            leases.settle(worker.host, claims)
            claiming.require_still_here(claims, worker.host)
            changes.announce(changes.RUNS)
    return [
        Plan(attempt, claim.conversation, claim.usage, claim.is_trusted)
        for attempt, claim in zip(attempts, claims, strict=True)
    ]


def record(entries: Sequence[Entry], receipt: list[str]) -> set[str]:
    """Store what runs have left, in one transaction; what a run left that has lost its lease is
    dropped. Returns the attempts that were held.

    `receipt` gets the ids of the messages. At another try it tells whether the one before
    was committed although its answer was lost: then they are not stored again.
    """
    with transaction.atomic():
        held = leases.held(entry.attempt for entry in entries)
        items = [entry.item for entry in entries if entry.attempt.id in held]
        with storage.together():
            leases.record_starts([item for item in items if isinstance(item, Start)])
            endings = [item for item in items if isinstance(item, Ending)]
            states = leases.close(endings, held, timezone.now())
            _store_once([item for item in items if isinstance(item, NewMessage)], states, receipt)
            if endings:
                changes.announce(changes.JOBS)
    return set(held)


def _store_once(messages: list[NewMessage], states: dict[str, State], receipt: list[str]) -> None:
    # Behind the lock of `held`, which a commit that is still under way holds as well.
    if transcript.is_stored(receipt):
        transcript.store([], states)
    else:
        receipt[:] = transcript.store(messages, states)


def complete(attempt: JobAttempt, report: RunReport) -> bool:
    """The agent did what it was asked."""
    return _end(Ending(attempt, report, End.COMPLETE))


def fail(attempt: JobAttempt, report: RunReport, *, permanent: bool = False) -> bool:
    """The run failed: try again later, or end as failed when that cannot help."""
    return _end(Ending(attempt, report, End.FAIL, permanent=permanent))


def end_cancelled(attempt: JobAttempt, report: RunReport) -> bool:
    """The run was stopped because somebody cancelled its job."""
    return _end(Ending(attempt, report, End.CANCEL))


def release(attempt: JobAttempt, report: RunReport) -> bool:
    """The worker stops: the job goes back to the queue and has lost no attempt."""
    return _end(Ending(attempt, report, End.RELEASE))


def defer(attempt: JobAttempt, report: RunReport, until: datetime | None) -> bool:
    """The agent is at a limit: try again at `until`; costs no attempt."""
    return _end(Ending(attempt, report, End.DEFER, until=until))


def rescue(attempt: JobAttempt) -> bool:
    """Close an attempt whose worker is gone; call it only when nothing of its run is left."""
    job = attempt.job
    last = job.attempts >= job.max_attempts
    error = f"The worker on {attempt.host} died during this run" + (
        f", and this was attempt {job.attempts} of {job.max_attempts}." if last else "."
    )
    ending = Ending(attempt, RunReport(Outcome.LOST, error), End.FAIL)
    message = Entry(attempt, failure_message(attempt, error))
    return bool(record([message, Entry(attempt, ending)], []))


def move(session: Session, host: str) -> None:
    """Let the workers of another host run this session's prompts from now on.

    Its files and the agent's conversation must be there. A run that its host's
    death left open is closed; one whose worker lives is refused with ValidationError.
    """
    if not host or not host.isprintable():
        raise ValidationError(f"{host!r} is no name of a host: give one that queue_status shows.")
    with transaction.atomic():
        # A claim that is under way holds the jobs: it is seen below, and no other begins
        # meanwhile. The attempts first, as the end of a run does.
        open_runs = JobAttempt.objects.open().filter(session=session).order_by("pk")
        list(open_runs.select_for_update().values_list("pk"))
        waiting = Job.objects.unfinished().filter(session=session).order_by("pk")
        list(waiting.select_for_update().values_list("pk"))
        for attempt in open_runs.select_related("job", "session"):
            if Worker.objects.alive().filter(pk=attempt.worker_id).exists():
                raise ValidationError(f"The session runs on {attempt.host}: cancel its job first.")
            rescue(attempt)
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


def _end(ending: Ending) -> bool:
    return bool(record([Entry(ending.attempt, ending)], []))


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


def _newest_job(session_id: str) -> str | None:
    """The id behind which a new job goes, also where the clock of another host is ahead."""
    jobs = Job.objects.filter(session_id=session_id).order_by("-session_id", "-pk")
    return jobs.values_list("pk", flat=True).first()


def _require_active(session_id: str) -> None:
    state = Session.objects.filter(pk=session_id).values_list("state", flat=True).first()
    if state is None:
        raise ValidationError("This session no longer exists.")
    if state != SessionState.ACTIVE:
        raise ValidationError("This session is archived: make it active again first.")


def _show_prompts(claims: Sequence[Claim]) -> set[str]:
    """Make a message of each prompt that has none yet; returns the jobs that were given one.

    Wrong data (changed behind our back) shows nothing here and fails when it is run.
    """
    new = [claim.job for claim in claims if _is_new(claim.job.data)]
    messages = [
        NewMessage(
            session_id=job.session_id,
            provider=job.session.provider,
            type=MessageType.USER,
            content=events.prompt(job.prompt, job.prompt_id).raw,
        )
        for job in new
    ]
    last_ids = {claim.job.session_id: claim.last_message for claim in claims}
    ids = transcript.store(messages, leases.states_while_running(claims), last_ids)
    for job, message_id in zip(new, ids, strict=True):
        job.data["messageId"] = message_id
    return {job.pk for job in new}


def _is_new(data: Any) -> bool:
    with suppress(ValidationError):
        validate_job_data(data)
        return "messageId" not in data
    return False


def failure_message(attempt: JobAttempt, error: str, detail: str = "") -> NewMessage:
    """The error message that a failed run leaves in the transcript."""
    return NewMessage(
        session_id=attempt.session_id,
        provider=attempt.session.provider,
        type=MessageType.ERROR,
        content=events.error(error, detail).raw,
    )
