"""What agents and people say to each other while a job runs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from jobs_app.models.jobs import Job
from jobs_app.models.runs import JobAttempt
from sessions_app.fields import (
    CascadeForeignKey,
    CascadeOneToOneField,
    JSONTextField,
    LongNameIndex,
)
from sessions_app.ids import new_id
from sessions_app.models import Session
from sessions_app.providers import Asked, read_request


class RequestKind(models.TextChoices):
    PERMISSION = "permission", "permission"
    QUESTION = "question", "question"
    PLAN = "plan", "plan"


class Closed(models.TextChoices):
    """Why a request is no longer open."""

    ANSWERED = "answered", "answered"
    WITHDRAWN = "withdrawn", "withdrawn by the agent"
    RUN_ENDED = "run ended", "the job ended"


UNANSWERED = Q(answered_at=None, closed_at=None)


SLACK = timedelta(minutes=5)
"""How far the clocks are believed to differ that tell when a request and its message came."""


class RequestQuerySet(models.QuerySet["JobRequest"]):
    def asked_about(self, first: datetime, last: datetime) -> "RequestQuerySet":
        """Those whose messages may have come from `first` to `last`."""
        return self.filter(asked_at__range=(first - SLACK, last + SLACK))

    def unanswered(self) -> "RequestQuerySet":
        """What waits for a person."""
        return self.filter(UNANSWERED)

    def undelivered(self) -> "RequestQuerySet":
        """Answered, and the agent has not been given the answer yet."""
        return self.filter(answered_at__isnull=False, closed_at=None)


class JobRequest(models.Model):
    """What an agent asks of a person while it works.

    Its life: asked, answered (once), closed. An answer is kept until an agent has been given it;
    then the request is closed, *before* the agent hears it, so that nothing runs twice.
    """

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    attempt = CascadeForeignKey(JobAttempt, related_name="requests", db_index=False)
    job = CascadeForeignKey(Job, related_name="requests", db_index=False)
    session = CascadeForeignKey(Session, related_name="requests", db_index=False)
    kind = models.TextField(choices=RequestKind)
    tool = models.TextField(help_text="The tool that the agent wants to use, as it names it.")
    call_id = models.TextField(null=True, help_text="The call in the conversation that waits.")
    content_data = models.TextField(help_text="The request as it came.")
    call_data = models.TextField(null=True, help_text="The call, where the request only names it.")
    provider_session_id = models.TextField(null=True, help_text="The conversation that asks.")
    asked_at = models.DateTimeField(default=timezone.now)
    answer = JSONTextField(null=True)
    answered_by = models.TextField(null=True)
    answered_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_why = models.TextField(choices=Closed, null=True)

    objects = models.Manager.from_queryset(RequestQuerySet)()

    class Meta:
        db_table = "job_requests"
        verbose_name = "request"
        permissions = [
            ("answer_request", "Can answer what agents ask (lets them act, so it runs code)")
        ]
        indexes = [
            # A claim asks of each job whether it waits; a look, which answers are to be delivered.
            LongNameIndex(
                fields=["job", "answered_at"],
                condition=Q(closed_at__isnull=True),
                name="idx_job_requests_open",
            ),
            LongNameIndex(fields=["attempt"], name="idx_job_requests_attempt"),
            # A session's page shows those of the part that it shows.
            LongNameIndex(fields=["session", "id"], name="idx_job_requests_session"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} asked {self.asked_at:%Y-%m-%d %H:%M:%S}"

    @property
    def asked(self) -> Asked:
        """What is asked, read from what came."""
        return read_request(self.session.provider, self.content_data, self.call_data)

    @property
    def given(self) -> dict[str, Any]:
        """The answer, of which only `jobs_app.answers` knows the form."""
        answer: Any = self.answer
        is_one = isinstance(answer, dict) and "decision" in answer
        return answer if is_one else {"decision": "deny"}

    @property
    def is_open(self) -> bool:
        """Whether it still waits for an answer."""
        return self.answered_at is None and self.closed_at is None

    def allow(self, **choices: Any) -> "JobRequest":
        """Allow it: see `answers.allow`."""
        from jobs_app import answers

        answers.allow(self, **choices)
        return self._as_stored()

    def deny(self, why: str = "", **choices: Any) -> "JobRequest":
        """Deny it, in words that the agent is told: see `answers.deny`."""
        from jobs_app import answers

        answers.deny(self, why=why, **choices)
        return self._as_stored()

    def reply(self, answers: Mapping[str, Any]) -> "JobRequest":
        """Answer its questions: see `answers.reply`."""
        from jobs_app.answers import reply

        reply(self, answers)
        return self._as_stored()

    def _as_stored(self) -> "JobRequest":
        self.refresh_from_db()
        return self


class JobSteer(models.Model):
    """What a person tells an agent while it works ("tell it now").

    Sent, then read: the tool's receipt makes it a message of the conversation. What no agent has
    read when its job ends becomes a prompt of its own.
    """

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    job = CascadeForeignKey(Job, related_name="steers", db_index=False)
    session = CascadeForeignKey(Session, related_name="steers", db_index=False)
    text = models.TextField()
    told_by = models.TextField()
    told_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    own_job_id = models.TextField(null=True, help_text="The job that it became instead.")

    class Meta:
        db_table = "job_steers"
        verbose_name = "word to a running agent"
        verbose_name_plural = "words to running agents"
        indexes = [
            # A look asks of each run whether there is something to tell it.
            LongNameIndex(
                fields=["job", "id"],
                condition=Q(read_at__isnull=True, own_job_id__isnull=True),
                name="idx_job_steers_unread",
            ),
            LongNameIndex(fields=["session", "id"], name="idx_job_steers_session"),
        ]

    def __str__(self) -> str:
        return f"told {self.told_at:%Y-%m-%d %H:%M:%S}"


class JobDraft(models.Model):
    """What an agent is just writing: replaced as it grows, gone when the message has come.

    Of a long one `text` is the end, before which `start` more characters were written.
    """

    attempt = CascadeOneToOneField(JobAttempt, primary_key=True, related_name="draft")
    session = CascadeForeignKey(Session, related_name="drafts", db_index=False)
    text = models.TextField()
    start = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "job_drafts"
        verbose_name = "draft"
        indexes = [LongNameIndex(fields=["session"], name="idx_job_drafts_session")]

    def __str__(self) -> str:
        return f"draft of {self.attempt_id}"
