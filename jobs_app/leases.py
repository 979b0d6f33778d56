"""What workers do with jobs: claim, record what an attempt leaves, close, rescue.

    pending -> processing -> completed | failed | cancelled
       ^___________|  again: later after a failure or a limit, at once if it was cut off
       ^__________________________________|  people's `queue.retry`, of failed and cancelled ones

`queue.cancel` takes a pending job to cancelled without an attempt.

An open attempt is the lease of its job: opened by a claim, held while the agent writes, and
closed together with job and session. It fences what is written: an attempt that is no
longer open, or no longer held by the same worker, changes nothing.

From outside: `claim`, `record` with what it takes (`Record`, `Start`, `Ending`), `release` and
`rescue`; for the job processor, and `queue.move` rescues.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from jobs_app import claiming, images, talk
from jobs_app.afterwards import JobAfter, failure_message, job_after, settle
from jobs_app.claiming import Claim, Facts
from jobs_app.models import (
    Job,
    JobAttempt,
    JobStatus,
    PromptImage,
    SessionHost,
    Worker,
    validate_job_data,
)
from jobs_app.outcomes import INTERRUPTED, Outcome, Verdict
from jobs_app.talk import Drafting, Talk
from sessions_app import changes, transcript
from sessions_app.ids import new_id
from sessions_app.models import MessageType
from sessions_app.providers import Usage, events
from sessions_app.storage import Batch, lock, select_among, transaction_without_wait
from sessions_app.transcript import NewMessage, State

OPENED = ("id", "job_id", "session_id", "number", "worker_id", "host", "boot_id", "started_at")
TAKEN = ("status", "attempts", "started_at", "next_retry_at")
SHOWN = ("id", "session_id", "message_id", "hash")
STARTED = ("pid", "process_started", "git_head_before")
CLOSED = (
    "finished_at",
    "outcome",
    "error",
    "exit_code",
    "provider_session_id",
    "raw_usage",
    "cost_usd",
    "git_head_after",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)


# The held ones, and whether a person has asked each to stop. A queryset takes ten times as long
# for it, which was two fifths of storing what a busy worker's attempts leave. SQLite has no FOR
# UPDATE, and needs none: with its `transaction_mode` (pokecode_site.conf.database) a transaction
# is alone in writing from its first statement on.
HELD = {
    "sqlite": """
SELECT id, worker_id, COALESCE(cancel_requested_at, interrupt_requested_at) IS NOT NULL
FROM job_attempts WHERE finished_at IS NULL AND id IN {keys} ORDER BY id
""",
    "postgresql": """
SELECT id, worker_id, COALESCE(cancel_requested_at, interrupt_requested_at) IS NOT NULL
FROM job_attempts WHERE finished_at IS NULL AND id IN {keys} ORDER BY id FOR UPDATE
""",
}


@dataclass(frozen=True, slots=True)
class Start:
    """The process of an attempt: `process_started` in clock ticks since boot."""

    pid: int
    process_started: int | None
    git_head: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, and what is noted on it."""

    verdict: Verdict
    exit_code: int | None = None
    provider_session_id: str | None = None
    usage: Usage | None = None
    raw_usage: Any = None
    cost_usd: Decimal | None = None
    git_head: str | None = None


Item: TypeAlias = NewMessage | Start | Ending | Talk | Drafting
K = TypeVar("K", NewMessage, Start, Ending, Drafting)


class Record(NamedTuple):
    """Something that an attempt leaves: a message, the start of its process, its talk with people,
    what it is writing, or its end."""

    attempt: JobAttempt
    item: Item


# --- claim ------------------------------------------------------------------


def claim(worker: Worker, limit: int = 1) -> list[Claim]:
    """Take the oldest runnable jobs, at most `limit`, each with its open attempt.

    Never two of one session, never a later prompt before an earlier one. The
    prompt becomes a user message now, once, however often its job is run.
    """
    now = timezone.now()
    try:
        # The agent gets its prompt once its start is stored, and that waits for the disk.
        with transaction_without_wait() as batch:
            found = claiming.runnable(now, worker.host, limit)
            return _take(worker, found, now, batch) if found else []
    except IntegrityError:  # another worker, or a move, was faster
        return []


def _take(
    worker: Worker, found: Sequence[tuple[Job, Facts]], now: datetime, batch: Batch
) -> list[Claim]:
    jobs = [job for job, _ in found]
    claims = [Claim(_attempt(worker, job, facts, now), facts) for job, facts in found]
    batch.insert(JobAttempt, OPENED, _values(OPENED, (claim.attempt for claim in claims)))
    shown = _show_prompts(found, batch)
    for job in jobs:
        job.status, job.attempts = JobStatus.PROCESSING, job.attempts + 1
        job.started_at, job.next_retry_at = now, None
    _update_jobs((*TAKEN, "data"), shown.values(), batch)
    _update_jobs(TAKEN, [job for job in jobs if job.pk not in shown], batch)
    _note_hosts(worker.host, [job for job, facts in found if not facts.has_host], batch)
    changes.announce(changes.RUNS, batch)
    batch.write()
    return claims


def _attempt(worker: Worker, job: Job, facts: Facts, now: datetime) -> JobAttempt:
    return JobAttempt(
        job=job,
        session=job.session,
        number=facts.attempts + 1,
        worker_id=worker.pk,
        host=worker.host,
        boot_id=worker.boot_id,
        started_at=now,
    )


def _show_prompts(found: Sequence[tuple[Job, Facts]], batch: Batch) -> dict[str, Job]:
    """Make a message for each prompt that has none; returns their jobs by id: the data of each
    now names its message.

    Wrong data (changed behind our back) shows nothing here and fails when it is run.
    """
    new = [job for job, _ in found if _is_new(job.data)]
    shown = {job.pk: images.named(facts.images) for job, facts in found}
    messages = [
        NewMessage(
            session_id=job.session_id,
            provider=job.session.provider,
            type=MessageType.USER,
            content=events.prompt(
                job.prompt, job.prompt_id, [image.data() for image in shown[job.pk]]
            ).raw,
        )
        for job in new
    ]
    states = {job.session_id: State(True, job.pk, JobStatus.PROCESSING) for job, _ in found}
    ids = transcript.store(messages, batch, states)
    for job, message_id in zip(new, ids, strict=True):
        job.data["messageId"] = message_id
    rows = [
        (new_id(), job.session_id, job.data["messageId"], image.hash)
        for job in new
        for image in shown[job.pk]
    ]
    batch.insert(PromptImage, SHOWN, rows)
    return {job.pk: job for job in new}


def _is_new(data: Any) -> bool:
    with suppress(ValidationError):
        validate_job_data(data)
        return "messageId" not in data
    return False


def _update_jobs(names: Sequence[str], jobs: Iterable[Job], batch: Batch) -> None:
    batch.update(Job, names, _values((*names, "id"), jobs))


def _note_hosts(host: str, jobs: Sequence[Job], batch: Batch) -> None:
    """The host that runs a session first becomes the session's host."""
    rows = [(new_id(), job.session_id, host) for job in jobs]
    batch.insert(SessionHost, ("id", "session_id", "host"), rows)


# --- record -----------------------------------------------------------------


def record(records: Sequence[Record], receipt: list[str]) -> set[str]:
    """Store what attempts have left, in one transaction; if one has lost its lease, what it left
    is dropped. Returns the attempts that were held.

    `receipt` gets the ids of the messages. When storing is tried again, it tells whether the
    first time was committed although its answer was lost: then they are not stored twice.
    """
    with transaction.atomic():
        held = _held(record.attempt for record in records)
        ours = [record for record in records if record.attempt.pk in held]
        batch = Batch()
        _start(_of_kind(Start, ours), batch)
        messages = _messages(ours)
        talk.store_drafts(_of_kind(Drafting, ours))
        endings, notices = _settled(_of_kind(Ending, ours), held)
        talked = {attempt.pk for attempt, item in ours if isinstance(item, Talk | Drafting)}
        states = _close(endings, held, batch)
        _store_once(messages + notices, receipt, states, batch)
        if endings:
            changes.announce(changes.JOBS, batch)
        if talked:
            changes.announce(changes.MESSAGES, batch)
        batch.write()
    return set(held)


def _messages(records: Iterable[Record]) -> list[NewMessage]:
    """The messages among them, and those that the talk makes where it stands, in order."""
    messages: list[NewMessage] = []
    for _, item in records:
        if isinstance(item, NewMessage):
            messages.append(item)
        elif isinstance(item, Talk):
            messages += talk.store(item)
    return messages


def _of_kind(kind: type[K], records: Iterable[Record]) -> list[tuple[JobAttempt, K]]:
    return [(attempt, item) for attempt, item in records if isinstance(item, kind)]


def _store_once(
    messages: Sequence[NewMessage],
    receipt: list[str],
    states: Mapping[str, State],
    batch: Batch,
) -> None:
    """Store the messages unless an earlier try has; their sessions' new states in any case."""
    # If the first commit is still under way on the server, `_held` waits for its row locks, so
    # this answer is final.
    if transcript.is_stored(receipt):
        transcript.store([], batch, states)
    else:
        receipt[:] = transcript.store(messages, batch, states)


def release(attempt: JobAttempt) -> bool:
    """Give back a job that was claimed but whose agent never started; it costs no attempt."""
    verdict = Verdict(INTERRUPTED.outcome, "The attempt never began.")
    return bool(record([Record(attempt, Ending(verdict))], []))


def rescue(attempt: JobAttempt) -> bool:
    """Close an attempt whose worker is gone; call it only when none of its processes is left.

    It is recorded in the dead worker's name: the attempt as it was loaded still names it, and that
    is whom `_held` asks for.
    """
    job = attempt.job
    last = job.attempts >= job.max_attempts and not talk.waiting([attempt])
    error = f"The worker on {attempt.host} died during this attempt" + (
        f", the last of {job.max_attempts}." if last else "."
    )
    ending = Ending(Verdict(Outcome.LOST, error))
    message = failure_message(attempt, error)
    return bool(record([Record(attempt, message), Record(attempt, ending)], []))


def _held(attempts: Iterable[JobAttempt]) -> dict[str, bool]:
    """The held ones among these attempts, locked, and whether a person has asked each to stop.

    An attempt is not handed on from one worker to another: it is closed, and the next claim opens
    a new one. The worker is compared so that the fence does not rest on that alone.
    """
    holders = {attempt.pk: attempt.worker_id for attempt in attempts}
    rows = select_among(HELD[connection.vendor], list(holders)) if holders else []
    return {pk: bool(is_stopped) for pk, worker_id, is_stopped in rows if holders[pk] == worker_id}


def _start(starts: Sequence[tuple[JobAttempt, Start]], batch: Batch) -> None:
    """Note the process of each of these attempts: its pages show it. That it could be noted is
    what counts, for it proves that the lease is still ours before the prompt is handed over. (A
    rescue finds processes by the marker in their environment, and needs no note.)"""
    rows = [(s.pid, s.process_started, s.git_head, attempt.pk) for attempt, s in starts]
    batch.update(JobAttempt, STARTED, rows)


def _settled(
    endings: Iterable[tuple[JobAttempt, Ending]], held: Mapping[str, bool]
) -> tuple[list[tuple[JobAttempt, Ending]], list[NewMessage]]:
    """The endings with what follows from them, and the messages that say so."""
    settled, messages = [], []
    for attempt, ending in endings:
        verdict, message = settle(attempt, ending.verdict, is_cancelled=held[attempt.pk])
        settled.append((attempt, replace(ending, verdict=verdict)))
        messages += [message] if message else []
    return settled, messages


def _close(
    endings: Collection[tuple[JobAttempt, Ending]], held: Mapping[str, bool], batch: Batch
) -> dict[str, State]:
    """Close these attempts and update their jobs accordingly; returns their sessions' new states.

    `held` is what `_held` returned for them.
    """
    now = timezone.now()
    talked = talk.unsettled([attempt for attempt, _ in endings])
    waiting = talk.waiting(talked)
    jobs = [
        job_after(
            attempt.job,
            ending.verdict,
            now,
            is_cancelled=held[attempt.pk],
            is_waiting=attempt.pk in waiting,
        )
        for attempt, ending in endings
    ]
    if talked:
        statuses = {job.id: job.status for job in jobs}
        talk.settle({attempt.job_id: statuses[attempt.job_id] for attempt in talked})
    batch.update(JobAttempt, CLOSED, (_closed(*pair, now) for pair in endings))
    if len(jobs) > 1:
        lock(Job.objects.filter(pk__in=[job.id for job in jobs]))
    batch.update(Job, JobAfter._fields[:-1], jobs)
    return {
        attempt.session_id: State(False, None, job.status)
        for (attempt, _), job in zip(endings, jobs, strict=True)
    }


def _closed(attempt: JobAttempt, ending: Ending, now: datetime) -> tuple[Any, ...]:
    usage = ending.usage
    return (
        now,
        str(ending.verdict.outcome),
        ending.verdict.error,
        ending.exit_code,
        ending.provider_session_id,
        ending.raw_usage,
        ending.cost_usd,
        ending.git_head,
        usage and usage.input_tokens,
        usage and usage.cached_input_tokens,
        usage and usage.cache_write_tokens,
        usage and usage.output_tokens,
        usage and usage.reasoning_tokens,
        attempt.pk,
    )


def _values(names: Sequence[str], rows: Iterable[Any]) -> Iterable[list[Any]]:
    return ([getattr(row, name) for name in names] for row in rows)
