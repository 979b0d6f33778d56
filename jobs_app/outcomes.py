"""How an attempt ended: one vocabulary, from the agents' verdicts to the database."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """A closed set; the database keeps the values.

    SUCCEEDED: the agent said that its turn was done, whatever its process did after that.
    FAILED: anything else that the agent did by itself, or its time was up; a verdict says
    whether trying again can help.
    RATE_LIMITED: the account had no more calls to make for now, so it does not count as an attempt.
    CANCELLED: a person stopped it.
    INTERRUPTED: its worker was stopped; the job continues in another attempt.
    PARKED: it waited long for a person; the job continues after the answer.
    LOST: its worker lost the lease, or died.
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RATE_LIMITED = "rate_limited"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    PARKED = "parked"
    LOST = "lost"

    @property
    def label(self) -> str:
        """For a person."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the attempt ended, and why.

    `error` is a sentence for a person (also on a success that had denials);
    `permanent` says that trying again cannot help; `retry_at` is when to run the job
    again without counting this attempt; None if unknown.
    `note` is what else the transcript should tell of a success, and
    `lost_conversation` the one that could not be resumed, if that is why it failed.
    """

    outcome: Outcome
    error: str | None = None
    permanent: bool = False
    retry_at: datetime | None = None
    detail: str = ""
    note: str | None = None
    lost_conversation: str | None = None


CANCELLED = Verdict(Outcome.CANCELLED, "The attempt was cancelled.")
INTERRUPTED = Verdict(
    Outcome.INTERRUPTED, "The worker was stopped; the job continues in another attempt."
)
TURN_STOPPED = Verdict(Outcome.CANCELLED, "The agent's turn was stopped.")
PARKED = Verdict(
    Outcome.PARKED,
    "The agent waits for a person, so its process was ended; it goes on after the answer.",
)
# Where another worker has the job by now, this is not stored.
LOST = Verdict(
    Outcome.LOST, "The worker was cut off from its database for too long, so it ended the agent."
)


def timed_out(seconds: float) -> Verdict:
    """The verdict on an attempt that was stopped at its time limit."""
    limit = f"{seconds:g} s (POKECODE_JOB_TIMEOUT)"
    return Verdict(Outcome.FAILED, f"The agent was stopped after {limit}.", permanent=True)
