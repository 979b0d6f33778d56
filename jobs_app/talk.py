"""What attempts leave of the talk with people: requests, receipts, drafts, and their ends.

Stored by `leases.record`, in its transaction and behind its fence. From outside: the kinds of
items for the job processor, the functions for `leases` and `queue`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from django.db.models import Q
from django.utils import timezone

from jobs_app.models import (
    Closed,
    Job,
    JobAttempt,
    JobDraft,
    JobOptions,
    JobRequest,
    JobStatus,
    JobSteer,
)
from sessions_app.ids import id_right_after
from sessions_app.models import MessageType
from sessions_app.providers import events
from sessions_app.storage import select_among
from sessions_app.transcript import NewMessage


@dataclass(frozen=True, slots=True)
class Asking:
    """A person is asked: the row to insert."""

    request: JobRequest


@dataclass(frozen=True, slots=True)
class Closing:
    """These requests are closed: their answers are about to be handed over, or are not wanted any
    more."""

    requests: Sequence[JobRequest]
    why: Closed


@dataclass(frozen=True, slots=True)
class Reopening:
    """This one's answer was not handed over after all: it is for the next attempt."""

    request: JobRequest


@dataclass(frozen=True, slots=True)
class Telling:
    """This is about to be told to the agent."""

    steer: JobSteer


@dataclass(frozen=True, slots=True)
class Hearing:
    """The agent has read it: it is a message of the conversation from now on."""

    steer: JobSteer


@dataclass(frozen=True, slots=True)
class Drafting:
    """What the agent is writing, "" once the message has come; of a long text the end, before
    which `start` more characters were written."""

    text: str
    start: int = 0


Talk: TypeAlias = Asking | Closing | Reopening | Telling | Hearing


def store(item: Talk) -> list[NewMessage]:
    """Store this; returns the messages that it makes."""
    match item:
        case Asking(request):
            # A group that is tried again may have been committed although nobody was told.
            JobRequest.objects.bulk_create([request], ignore_conflicts=True)
        case Closing(requests, why):
            _close(Q(pk__in=[request.pk for request in requests]), why)
        case Reopening(request):
            closed = JobRequest.objects.filter(pk=request.pk, closed_why=Closed.ANSWERED)
            closed.update(closed_at=None, closed_why=None)
        case Telling(steer):
            JobSteer.objects.filter(pk=steer.pk).update(sent_at=timezone.now())
        case Hearing(steer):
            return _heard(steer)
    return []


def _heard(steer: JobSteer) -> list[NewMessage]:
    """Once: a receipt that comes again, or a record that is tried again, finds it read."""
    unread = JobSteer.objects.filter(pk=steer.pk, read_at=None)
    if not unread.update(read_at=timezone.now()):
        return []
    return [
        NewMessage(
            session_id=steer.session_id,
            provider=steer.session.provider,
            type=MessageType.USER,
            content=events.prompt(steer.text, steer.pk).raw,
        )
    ]


def store_drafts(drafts: Sequence[tuple[JobAttempt, Drafting]]) -> None:
    """Replace what was stored of these attempts' drafts; one of each at most."""
    now = timezone.now()
    rows = [
        JobDraft(
            attempt=attempt,
            session_id=attempt.session_id,
            text=draft.text,
            start=draft.start,
            updated_at=now,
        )
        for attempt, draft in drafts
        if draft.text
    ]
    JobDraft.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["attempt"],
        update_fields=["text", "start", "updated_at"],
    )
    if ended := [attempt.pk for attempt, draft in drafts if not draft.text]:
        JobDraft.objects.filter(attempt__in=ended).delete()


STOPPED = "It was told to a job that was stopped before its agent had read it."

# --- the end of an attempt ------------------------------------------------------

# Those of these attempts whose end has something of the talk to settle: as querysets three
# statements at each end, of which nearly all find nothing.
UNSETTLED = """
SELECT run.id FROM job_attempts AS run
WHERE run.id IN {keys} AND (
    EXISTS (SELECT 1 FROM job_requests AS r WHERE r.job_id = run.job_id AND r.closed_at IS NULL)
    OR EXISTS (SELECT 1 FROM job_drafts AS d WHERE d.attempt_id = run.id)
    OR EXISTS (
        SELECT 1 FROM job_steers AS s
        WHERE s.job_id = run.job_id AND s.read_at IS NULL AND s.own_job_id IS NULL
    )
)
"""


def unsettled(attempts: Sequence[JobAttempt]) -> list[JobAttempt]:
    """Those with something to settle. Call it once they are locked, in a statement of its own:
    what was told until then is seen only so."""
    rows = select_among(UNSETTLED, [each.pk for each in attempts]) if attempts else []
    found = {pk for (pk,) in rows}
    return [each for each in attempts if each.pk in found]


def waiting(attempts: Sequence[JobAttempt]) -> set[str]:
    """Those of these attempts that have asked something which is not closed: whether it is
    answered by now or not, their jobs wait for nothing else."""
    if not attempts:
        return set()
    asked = JobRequest.objects.filter(attempt__in=[each.pk for each in attempts], closed_at=None)
    return set(asked.values_list("attempt_id", flat=True))


def settle(statuses: Mapping[str, str]) -> None:
    """After attempts at these jobs (id -> its status now) have ended: what they were writing is
    dropped; if a job has ended, so have its requests, and what its agent did not read becomes a
    prompt of its own right after it (a cancelled one, if a person has stopped the job); otherwise
    both wait for the next attempt."""
    JobDraft.objects.filter(attempt__job__in=list(statuses)).delete()
    ended = [pk for pk, status in statuses.items() if status != JobStatus.PENDING]
    going_on = [pk for pk, status in statuses.items() if status == JobStatus.PENDING]
    _close(Q(job__in=ended), Closed.RUN_ENDED)
    unread = JobSteer.objects.filter(read_at=None, own_job_id=None)
    unread.filter(job__in=going_on).update(sent_at=None)
    previous: dict[str, str] = {}
    for steer in unread.filter(job__in=ended).select_related("session", "job").order_by("pk"):
        job = prompt_of(steer, previous.get(steer.job_id, steer.job_id))
        if statuses[steer.job_id] == JobStatus.CANCELLED:
            job.status, job.error, job.completed_at = JobStatus.CANCELLED, STOPPED, timezone.now()
        previous[steer.job_id] = keep_as_prompt(steer, job)


def _close(which: Q, why: Closed) -> None:
    open_ones = JobRequest.objects.filter(which, closed_at=None)
    open_ones.update(closed_at=timezone.now(), closed_why=why)


def prompt_of(steer: JobSteer, previous: str) -> Job:
    """A job right after that one, not saved yet, to be run as its own prompt would be."""
    told = steer.job
    data = told.data if isinstance(told.data, dict) else {}
    options = {key: data[key] for key in ("model", "allowedTools") if key in data}
    return Job(
        pk=_free_id_after(previous),
        session_id=steer.session_id,
        data={"prompt": steer.text, "projectPath": steer.session.project_path, **options},
    )


def _free_id_after(previous: str) -> str:
    """Others that were told to the same job may be prompts by now."""
    pk = id_right_after(previous)
    while Job.objects.filter(pk=pk).exists():
        pk = id_right_after(pk)
    return pk


def keep_as_prompt(steer: JobSteer, job: Job) -> str:
    """The word stays, and tells which job it is now; returns that one's id."""
    job.save(force_insert=True)
    for own in JobOptions.objects.filter(job=steer.job, approvals__isnull=False):
        JobOptions.objects.create(job=job, approvals=own.approvals)
    JobSteer.objects.filter(pk=steer.pk).update(own_job_id=job.pk)
    return job.pk
