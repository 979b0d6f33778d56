"""Sessions and their messages: the first two tables of the schema, to the letter."""

import os
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from sessions_app.fields import (
    CascadeForeignKey,
    CounterField,
    IntegerField,
    JSONTextField,
    LongNameIndex,
)
from sessions_app.ids import new_id
from sessions_app.projects import directories, git
from sessions_app.providers import display_message, state_directory
from sessions_app.providers.shapes import Shape
from sessions_app.validation import validate_metadata, validate_text
from sessions_app.visible import visible


class Provider(models.TextChoices):
    CLAUDE_CODE = "claude-code", "Claude Code"
    CODEX_CLI = "codex-cli", "Codex"


class SessionState(models.TextChoices):
    ACTIVE = "active", "active"
    INACTIVE = "inactive", "archived"


class MessageType(models.TextChoices):
    USER = "user", "user"
    ASSISTANT = "assistant", "assistant"
    SYSTEM = "system", "system"
    RESULT = "result", "result"
    ERROR = "error", "error"


class SessionQuerySet(models.QuerySet["Session"]):
    def active(self) -> "SessionQuerySet":
        return self.filter(state=SessionState.ACTIVE)


class SessionManager(models.Manager.from_queryset(SessionQuerySet)):  # type: ignore[misc]
    def create_for_path(self, path: str | os.PathLike[str], **options: Any) -> "Session":
        """A session in an existing directory under a project root: see `build_for_path`."""
        session = self.build_for_path(path, **options)
        session.save(force_insert=True)
        return session

    def build_for_path(
        self,
        path: str | os.PathLike[str],
        *,
        provider: str = Provider.CLAUDE_CODE,
        name: str | None = None,
        context: str | None = None,
        allowed_tools: Sequence[str] = (),
    ) -> "Session":
        """A session that is checked but not yet saved.

        Name, repository, branch and the CLI's own directory are filled in.
        Raises ValidationError if anything is wrong.
        """
        project = directories.resolve_project(path)
        session = self.model(
            provider=provider,
            project_path=str(project),
            name=name or git.project_name(project),
            context=context or None,
            metadata=_metadata(git.describe(project), allowed_tools),
        )
        session.full_clean()
        session.claude_directory_path = state_directory(session.provider, str(project))
        return session


def _metadata(found: dict[str, str], allowed_tools: Sequence[str]) -> dict[str, Any] | None:
    metadata: dict[str, Any] = dict(found)
    if allowed_tools:
        metadata["allowedTools"] = list(allowed_tools)
    return metadata or None


class Session(models.Model):
    """A conversation with one agent in one project directory."""

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    provider = models.TextField(choices=Provider)
    project_path = models.TextField()
    name = models.TextField()
    context = models.TextField(
        null=True, blank=True, help_text="Told to the agent at the start of the conversation."
    )
    claude_directory_path = models.TextField(null=True, blank=True, editable=False)
    metadata = JSONTextField(null=True, blank=True, shape=validate_metadata)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    last_accessed_at = models.DateTimeField(default=timezone.now, editable=False)
    is_working = models.BooleanField(default=False, db_default=False, editable=False)
    current_job_id = models.TextField(null=True, blank=True, editable=False)
    last_job_status = models.TextField(null=True, blank=True, editable=False)
    message_count = CounterField(default=0, db_default=0, editable=False)
    token_count = CounterField(default=0, db_default=0, editable=False)
    state = models.TextField(
        choices=SessionState, default=SessionState.ACTIVE, db_default=SessionState.ACTIVE.value
    )

    objects = SessionManager()

    class Meta:
        db_table = "sessions"
        indexes = [
            LongNameIndex(fields=["last_accessed_at"], name="idx_sessions_last_accessed"),
            LongNameIndex(fields=["is_working"], name="idx_sessions_is_working"),
        ]

    def __str__(self) -> str:
        return visible(self.name)

    def clean(self) -> None:
        validate_text("The name", self.name)
        validate_text("The context", self.context or "")
        if self._state.adding and self.project_path:
            self.project_path = str(directories.resolve_project(self.project_path))
        self.validate_allowed_tools(self.allowed_tools)

    def validate_allowed_tools(self, tools: Sequence[str]) -> None:
        if tools and self.provider == Provider.CODEX_CLI:
            raise ValidationError(
                "Codex takes no list of allowed tools: its sandbox decides; leave the list empty."
            )

    @property
    def allowed_tools(self) -> list[str]:
        # A row that was edited behind our back may hold anything; runs check what is in the list.
        tools = self.metadata.get("allowedTools") if isinstance(self.metadata, dict) else None
        return tools if isinstance(tools, list) else []

    def touch(self) -> None:
        """A person opened this session."""
        now = timezone.now()
        type(self).objects.filter(pk=self.pk).update(last_accessed_at=now)
        self.last_accessed_at = now


class MessageQuerySet(models.QuerySet["SessionMessage"]):
    def in_order(self) -> "MessageQuerySet":
        return self.order_by("pk")

    def display(self) -> list[Shape]:
        """What these messages show, in order."""
        rows = self.in_order().select_related("session").iterator()
        return [
            shape
            for row in rows
            for shape in display_message(
                row.provider, row.type, row.content_data, row.session.project_path
            )
        ]


class SessionMessage(models.Model):
    """One event of a conversation, as the agent's command-line tool printed it."""

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    session = CascadeForeignKey(Session, related_name="messages", db_index=False)
    provider = models.TextField(choices=Provider)
    type = models.TextField(choices=MessageType)
    content_data = models.TextField()
    provider_session_id = models.TextField(null=True, blank=True)
    token_count = IntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = models.Manager.from_queryset(MessageQuerySet)()

    class Meta:
        db_table = "session_messages"
        verbose_name = "message"
        indexes = [
            LongNameIndex(fields=["session"], name="idx_session_messages_session_id"),
            LongNameIndex(fields=["type"], name="idx_session_messages_type"),
            LongNameIndex(fields=["created_at"], name="idx_session_messages_created_at"),
            LongNameIndex(fields=["provider"], name="idx_session_messages_provider"),
            LongNameIndex(
                fields=["provider_session_id"], name="idx_session_messages_provider_session_id"
            ),
            # A page of a transcript is the next rows of one session by id.
            LongNameIndex(fields=["session", "id"], name="idx_session_messages_cursor"),
        ]

    def __str__(self) -> str:
        return f"{self.type} message of {self.created_at:%Y-%m-%d %H:%M:%S}"
