"""What people do with jobs that are in the queue, one `Act` each: the admin, the session's page
and the commands all offer, apply and report it from here."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError

from jobs_app import queue
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
    unfit: str
    """Of jobs that it left as they were, after their number."""
    reason: str
    """Why it left them, after "skipped:"."""
    granted: str
    """The whole answer to a person who did it to one job."""
    too_late: str
    """The whole answer where it left that job as it was."""

    @property
    def label(self) -> str:
        return self.name.capitalize()

    @property
    def log_entry(self) -> str:
        return f"{self.done.capitalize()}."


CANCEL = Act(
    "cancel",
    queue.cancel,
    CANCELLABLE,
    done="cancelled",
    unfit="had ended already",
    reason="already finished or stopping",
    granted="Stopping the job.",
    too_late="This job has already ended or is stopping.",
)
RETRY = Act(
    "retry",
    queue.retry,
    RETRYABLE,
    done="queued again",
    unfit="were not failed or cancelled",
    reason="neither failed nor cancelled",
    granted="The job is queued again.",
    too_late="This job has neither failed nor been cancelled.",
)
ACTS = {act.name: act for act in (CANCEL, RETRY)}


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
