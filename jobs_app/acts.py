"""What people do with jobs that are in the queue, one `Act` each: the admin, the session's page
and the commands all offer, apply and report it from here."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError

from jobs_app import queue, steering
from jobs_app.models import CANCELLABLE, RETRYABLE, Job, JobStatus
from sessions_app.validation import sentences

RUN_JOB = "jobs_app.run_job"
"""The permission that each of these needs, as queueing a prompt does."""


@dataclass(frozen=True)
class Act:
    name: str
    """As it stands in addresses; with a capital, the word on its button."""
    verb: Callable[[Job], bool]
    statuses: tuple[JobStatus, ...]
    """It is offered for jobs in these."""
    done: str
    """Of jobs that it changed, after their number; with a capital, the entry in their log."""
    not_done: str
    """Of jobs that it left as they were, after their number."""
    skip_reason: str
    """Why it left them, after "skipped:"."""
    answer_done: Callable[[Job], str]
    """The whole answer to a person who did it to this one job."""
    answer_not_done: str
    """The whole answer where it left that job as it was."""

    @property
    def label(self) -> str:
        return self.name.capitalize()

    @property
    def log_entry(self) -> str:
        return f"{self.done.capitalize()}."


def _cancelled(job: Job) -> str:
    """A waiting job is cancelled by now; a running one has yet to be stopped by its worker."""
    is_cancelled = Job.objects.filter(pk=job.pk, status=JobStatus.CANCELLED).exists()
    return "The job is cancelled." if is_cancelled else "Stopping the job."


CANCEL = Act(
    "cancel",
    queue.cancel,
    CANCELLABLE,
    done="cancelled",
    not_done="had ended already",
    skip_reason="already finished or stopping",
    answer_done=_cancelled,
    answer_not_done="This job has already ended or is stopping.",
)
RETRY = Act(
    "retry",
    queue.retry,
    RETRYABLE,
    done="queued again",
    not_done="were not failed or cancelled",
    skip_reason="neither failed nor cancelled",
    answer_done=lambda job: "The job is queued again.",
    answer_not_done="This job has neither failed nor been cancelled.",
)
INTERRUPT = Act(
    "interrupt",
    steering.interrupt,
    (JobStatus.PROCESSING,),
    done="interrupted",
    not_done="were not running or interrupted already",
    skip_reason="not running or interrupted already",
    answer_done=lambda job: "Interrupting the agent.",
    answer_not_done="The agent does not work at this job, or is interrupted already.",
)
ACTS = {act.name: act for act in (CANCEL, RETRY, INTERRUPT)}


@dataclass
class Result:
    """What became of the jobs."""

    changed: list[Job] = field(default_factory=list)
    unfit: list[Job] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    """The queue's sentence -> how many jobs it was said of."""


def apply(act: Act, jobs: Iterable[Job]) -> Result:
    """Each job for itself: one that is refused does not keep the next from its turn."""
    result = Result()
    for job in jobs:
        try:
            (result.changed if act.verb(job) else result.unfit).append(job)
        except ValidationError as refusal:
            result.refusals[sentences(refusal)] += 1
    return result
