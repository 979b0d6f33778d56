"""Every change of a job's state: one function a verb, the same ones for admin, commands and worker.

    pending -> processing -> completed | failed | cancelled
       ^___________|  (retry with backoff, release, defer)

Each verb is one transaction in which job, attempt and session change together.
What a run writes is fenced by its attempt: an attempt that is no longer open and
held by the same worker changes nothing, and the verb returns False.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from jobs_app import claiming
from jobs_app.models import Job, JobAttempt, JobStatus, Outcome, Worker
from sessions_app import changes, transcript
from sessions_app.models import MessageType, Session, SessionState
from sessions_app.providers import Usage, events
from sessions_app.transcript import NewMessage

BACKOFF_CAP = timedelta(minutes=10)
RATE_LIMIT_WAIT = timedelta(minutes=5)
"""How long a rate-limited job waits when the agent did not say until when."""

USAGE_COLUMNS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run leaves on its attempt. `error` is a sentence for a person."""

    outcome: str
    error: str | None = None
    exit_code: int | None = None
    provider_session_id: str | None = None
    usage: Usage | None = None
    raw_usage: Any = None
    cost_usd: Decimal | None = None
    git_head_after: str | None = None


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
    with transaction.atomic():
        _require_active(session.pk)
        job.save(force_insert=True)
        changes.announce(changes.JOBS)
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
        kept = {key: locked.data[key] for key in ("projectPath", "messageId") if key in locked.data}
        locked.data = {
            "prompt": prompt,
            **kept,
            **_options(locked.session, model, allowed_tools),
        }
        if max_attempts is not None:
            locked.max_attempts = max_attempts
        locked.full_clean()
        locked.save(update_fields=["data", "max_attempts"])
        changes.announce(changes.JOBS)


def cancel(job: Job) -> bool:
    """Cancel a pending job now, or ask the worker to stop a running one; False if it has ended."""
    now = timezone.now()
    with transaction.atomic():
        changed = Job.objects.pending().filter(pk=job.pk).update(
            status=JobStatus.CANCELLED, completed_at=now, next_retry_at=None
        )
        if changed:
            Session.objects.filter(pk=job.session_id).update(last_job_status=JobStatus.CANCELLED)
        else:
            running = JobAttempt.objects.open().filter(job_id=job.pk)
            changed = running.filter(cancel_requested_at=None).update(cancel_requested_at=now)
        if changed:
            changes.announce(changes.JOBS)
    return bool(changed)


def retry(job: Job) -> bool:
    """Queue a failed or cancelled job again with all its attempts; False if it is neither."""
    with transaction.atomic():
        _require_active(job.session_id)
        ended = Job.objects.filter(
            pk=job.pk, status__in=[JobStatus.FAILED, JobStatus.CANCELLED]
        )
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
        locked = list(Job.objects.select_for_update().filter(pk__in=ids))
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

    Never two of one session, never a later prompt before an earlier one.
    """
    now = timezone.now()
    with transaction.atomic():
        ids = claiming.take(now, limit)
        if not ids:
            return []
        jobs = list(Job.objects.filter(pk__in=ids).select_related("session").order_by("pk"))
        attempts = _open_attempts(worker, jobs, now)
        for attempt in attempts:
            Session.objects.filter(pk=attempt.session_id).update(
                is_working=True,
                current_job_id=attempt.job_id,
                last_job_status=JobStatus.PROCESSING,
                updated_at=now,
            )
        changes.announce(changes.JOBS)
    return attempts


def begin(attempt: JobAttempt, *, git_head: str | None = None) -> bool:
    """The run starts: its prompt becomes a user message, once, however often it is run."""
    with transaction.atomic():
        if not held([attempt]):
            return False
        JobAttempt.objects.filter(pk=attempt.pk).update(git_head_before=git_head)
        job = Job.objects.get(pk=attempt.job_id)
        if "messageId" in job.data:
            return True
        message_id = transcript.next_id(job.session_id)
        transcript.append(
            [
                NewMessage(
                    id=message_id,
                    session_id=job.session_id,
                    provider=attempt.session.provider,
                    type=MessageType.USER,
                    content=events.prompt(job.prompt, message_id).raw,
                )
            ]
        )
        job.data["messageId"] = message_id
        job.save(update_fields=["data"])
    return True


def held(attempts: Iterable[JobAttempt]) -> set[str]:
    """Which of these attempts are still open and held by their worker, locked until commit."""
    rows = {attempt.pk: attempt.worker_id for attempt in attempts}
    found = JobAttempt.objects.select_for_update().open().filter(pk__in=rows)
    pairs = found.order_by("pk").values_list("pk", "worker_id")
    return {pk for pk, worker_id in pairs if rows[pk] == worker_id}


def record_process(attempt: JobAttempt, pid: int, started: int | None) -> bool:
    """Note which process runs the attempt, so that a later worker can find it."""
    own = JobAttempt.objects.held_by(attempt.worker_id).filter(pk=attempt.pk)
    return bool(own.update(pid=pid, process_started=started))


def complete(attempt: JobAttempt, report: RunReport) -> bool:
    """The agent did what it was asked."""
    return _close(attempt, report, _ended(JobStatus.COMPLETED, error=report.error))


def fail(attempt: JobAttempt, report: RunReport, *, permanent: bool = False) -> bool:
    """The run failed: try again later, or end as failed when that cannot help."""
    with transaction.atomic():
        if _cancel_requested(attempt):
            return _close(attempt, report, _ended(JobStatus.CANCELLED, error=report.error))
        job = Job.objects.get(pk=attempt.job_id)
        if permanent or job.attempts >= job.max_attempts:
            return _close(attempt, report, _ended(JobStatus.FAILED, error=report.error))
        due = timezone.now() + backoff(job.attempts)
        return _close(attempt, report, _waiting(error=report.error, next_retry_at=due))


def end_cancelled(attempt: JobAttempt, report: RunReport) -> bool:
    """The run was stopped because somebody cancelled its job."""
    return _close(attempt, report, _ended(JobStatus.CANCELLED, error=report.error))


def release(attempt: JobAttempt, report: RunReport) -> bool:
    """The worker stops: the job goes back to the queue and has lost no attempt."""
    return _give_back(attempt, report, None)


def defer(attempt: JobAttempt, report: RunReport, until: datetime | None) -> bool:
    """The agent is at a limit: try again at `until`; costs no attempt."""
    return _give_back(attempt, report, until or timezone.now() + RATE_LIMIT_WAIT)


def rescue(attempt: JobAttempt) -> bool:
    """Close an attempt whose worker is gone; call it only when nothing of its run is left."""
    job = Job.objects.get(pk=attempt.job_id)
    last = job.attempts >= job.max_attempts
    error = f"The worker on {attempt.host} died during this run" + (
        f", and this was attempt {job.attempts} of {job.max_attempts}." if last else "."
    )
    with transaction.atomic():
        if not held([attempt]):
            return False
        transcript.append([failure_message(attempt, error)])
        return fail(attempt, RunReport(Outcome.LOST, error))


def prune(older_than: timedelta, *, dry_run: bool = False, batch: int = 500) -> int:
    """Delete jobs that ended longer ago than this; messages stay. Returns how many."""
    old = Job.objects.finished().filter(completed_at__lt=timezone.now() - older_than)
    if dry_run:
        return old.count()
    total = 0
    while ids := list(old.order_by("pk").values_list("pk", flat=True)[:batch]):
        total += Job.objects.finished().filter(pk__in=ids).delete()[0]
    return total


# --- what the verbs share ---------------------------------------------------


def backoff(attempts: int) -> timedelta:
    """2^attempts x 2 s, capped, with up to a quarter more so that retries do not come in step."""
    base = min(BACKOFF_CAP, timedelta(seconds=2 * 2 ** min(attempts, 20)))
    return base * (1 + random.random() / 4)  # noqa: S311 - jitter, not a secret


def failure_message(attempt: JobAttempt, error: str, detail: str = "") -> NewMessage:
    """The error message that a failed run leaves in the transcript."""
    return NewMessage(
        session_id=attempt.session_id,
        provider=attempt.session.provider,
        type=MessageType.ERROR,
        content=events.error(error, detail).raw,
    )


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


def _require_active(session_id: str) -> None:
    state = Session.objects.filter(pk=session_id).values_list("state", flat=True).first()
    if state is None:
        raise ValidationError("This session no longer exists.")
    if state != SessionState.ACTIVE:
        raise ValidationError("This session is archived: make it active again first.")


def _open_attempts(worker: Worker, jobs: Sequence[Job], now: datetime) -> list[JobAttempt]:
    runs = JobAttempt.objects.filter(job__in=jobs).values("job_id").order_by()
    last = dict(runs.annotate(last=Max("number")).values_list("job_id", "last"))
    return JobAttempt.objects.bulk_create(
        JobAttempt(
            job=job,
            session=job.session,
            number=last.get(job.pk, 0) + 1,
            worker_id=worker.pk,
            host=worker.host,
            boot_id=worker.boot_id,
            started_at=now,
        )
        for job in jobs
    )


def _cancel_requested(attempt: JobAttempt) -> bool:
    own = JobAttempt.objects.select_for_update().held_by(attempt.worker_id).filter(pk=attempt.pk)
    return own.values_list("cancel_requested_at", flat=True).first() is not None


def _give_back(attempt: JobAttempt, report: RunReport, due: datetime | None) -> bool:
    with transaction.atomic():
        if _cancel_requested(attempt):
            return _close(attempt, report, _ended(JobStatus.CANCELLED, error=report.error))
        waiting = _waiting(error=report.error, next_retry_at=due)
        return _close(attempt, report, {**waiting, "attempts": F("attempts") - 1})


def _ended(status: str, *, error: str | None) -> dict[str, Any]:
    return {
        "status": status,
        "error": error,
        "completed_at": timezone.now(),
        "next_retry_at": None,
    }


def _waiting(*, error: str | None, next_retry_at: datetime | None) -> dict[str, Any]:
    return {"status": JobStatus.PENDING, "error": error, "next_retry_at": next_retry_at}


def _close(attempt: JobAttempt, report: RunReport, job_changes: dict[str, Any]) -> bool:
    now = timezone.now()
    with transaction.atomic():
        own = JobAttempt.objects.held_by(attempt.worker_id).filter(pk=attempt.pk)
        if not own.update(finished_at=now, **_attempt_columns(report)):
            return False
        Job.objects.processing().filter(pk=attempt.job_id).update(**job_changes)
        Session.objects.filter(pk=attempt.session_id).update(
            is_working=False,
            current_job_id=None,
            last_job_status=job_changes["status"],
            updated_at=now,
        )
        changes.announce(changes.JOBS)
    return True


def _attempt_columns(report: RunReport) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "outcome": report.outcome,
        "error": report.error,
        "exit_code": report.exit_code,
        "provider_session_id": report.provider_session_id,
        "raw_usage": report.raw_usage,
        "cost_usd": report.cost_usd,
        "git_head_after": report.git_head_after,
    }
    if report.usage is not None:
        usage = report.usage
        columns |= {name: getattr(usage, name) for name in USAGE_COLUMNS}
    return columns

