"""What a session or a job wants otherwise than this host's settings say, and a prompt's images."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from jobs_app.models.jobs import Job
from sessions_app import image_files
from sessions_app.fields import (
    CascadeForeignKey,
    CascadeOneToOneField,
    JSONTextField,
    LongNameIndex,
)
from sessions_app.ids import new_id
from sessions_app.models import Session
from sessions_app.validation import printable, validate_effort, validate_model


class Approvals(models.TextChoices):
    """What happens to what an agent needs a permission for."""

    ASK = "ask", "ask a person"
    DENY = "deny", "refuse it"


def validate_approvals(approvals: Any) -> None:
    if approvals not in Approvals.values:
        raise ValidationError(f"{printable(str(approvals))!r} is not a choice: use ask or deny.")


class SessionOptionsManager(models.Manager["SessionOptions"]):
    def keep(
        self,
        session: Session,
        *,
        approvals: str | None = None,
        model: str | None = None,
        effort: str | None = None,
    ) -> None:
        """Keep what this session wants otherwise than its host; empty for what it does not."""
        wanted = {"approvals": approvals, "model": model, "effort": effort}
        values = {name: value or None for name, value in wanted.items()}
        self.model(session=session, **values).clean()
        if any(values.values()):
            self.update_or_create(session=session, defaults=values)
        else:
            self.filter(session=session).delete()


class SessionOptions(models.Model):
    """One row a session, only where it differs from the host's defaults."""

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    session = CascadeOneToOneField(Session, related_name="options")
    approvals = models.TextField(choices=Approvals, null=True, blank=True)
    model = models.TextField(null=True, blank=True)
    effort = models.TextField(null=True, blank=True)

    objects = SessionOptionsManager()

    class Meta:
        db_table = "session_options"
        verbose_name = verbose_name_plural = "options of a session"

    def __str__(self) -> str:
        return f"options of {self.session}"

    def clean(self) -> None:
        if self.approvals:
            validate_approvals(self.approvals)
        if self.model:
            validate_model(self.model)
        if self.effort:
            validate_effort(self.effort)


class JobOptions(models.Model):
    """One row a job, only where it has one of these: its data is the schema's, and closed.

    `images` are the prompt's, in order: a list of `{"hash": …, "type": "image/png", "size": …}`.
    """

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    job = CascadeOneToOneField(Job, related_name="options")
    approvals = models.TextField(choices=Approvals, null=True, blank=True)
    images = JSONTextField(null=True, blank=True, shape=image_files.parse)

    class Meta:
        db_table = "job_options"
        verbose_name = verbose_name_plural = "options of a job"

    def __str__(self) -> str:
        return f"options of {self.job}"


class PromptImage(models.Model):
    """An image that a prompt of the conversation shows: its file is kept as long as the message,
    which outlives the job."""

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    session = CascadeForeignKey(Session, related_name="prompt_images", db_index=False)
    message_id = models.TextField()
    hash = models.TextField()

    class Meta:
        db_table = "prompt_images"
        verbose_name = "image of a prompt"
        verbose_name_plural = "images of prompts"
        indexes = [
            # Deleting a session deletes its rows.
            LongNameIndex(fields=["session"], name="idx_prompt_images_session"),
            # A sweep asks whether a file is still wanted.
            LongNameIndex(fields=["hash"], name="idx_prompt_images_hash"),
        ]

    def __str__(self) -> str:
        return f"image of {self.message_id}"
