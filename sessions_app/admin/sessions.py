"""Sessions in the admin. The site registers this with what the queue and the pages add."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_safe

from sessions_app.admin import images
from sessions_app.admin.base import BaseAdmin, log_changes, may_read_messages
from sessions_app.admin.forms import (
    NewSessionForm,
    NewSessionPathForm,
    SessionForm,
    SessionNameForm,
)
from sessions_app.display.html import EMPTY, isolated, list_link, long_text, when
from sessions_app.models import Session, SessionMessage, SessionState


class StateFilter(admin.SimpleListFilter):
    """Archived sessions stay out of the list until somebody asks for them."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*SessionState.choices, ("all", "all")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, label in self.lookup_choices:
            yield {
                "selected": self._chosen() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self._chosen() == "all" else queryset.filter(state=self._chosen())

    def _chosen(self) -> str:
        return self.value() or SessionState.ACTIVE


FORMS = {
    (False, True): NewSessionForm,
    (False, False): NewSessionPathForm,
    (True, True): SessionForm,
    (True, False): SessionNameForm,
}
"""By whether the session exists, and whether the person may steer its agent."""


class SessionAdmin(BaseAdmin):
    list_display = [
        "title",
        "provider",
        "state",
        "work",
        "project",
        "message_total",
        "token_total",
        "last_accessed",
    ]
    list_filter = [StateFilter, "provider", "is_working", "last_accessed_at"]
    search_fields = ["name", "project_path", "=id"]
    search_help_text = "Name, path or id"
    ordering = ["-last_accessed_at"]
    actions = ["archive", "activate"]
    fieldsets = [
        ("Project", {"fields": ["provider", "project", "repository", "branch", "directory"]}),
        (
            "Activity",
            {"fields": ["work", "message_total", "token_total", "created", "last_accessed", "id"]},
        ),
    ]
    added = ["project_path", "provider", "name"]
    steering = ["context", "allowed_tools"]
    read_steering = ["told", "allowed_tools"]
    readonly_fields = [
        "provider",
        "project",
        "repository",
        "branch",
        "directory",
        "work",
        "message_total",
        "token_total",
        "created",
        "last_accessed",
        "id",
    ]

    def get_urls(self) -> list[URLPattern]:
        address = "messages/<path:message_id>/images/<str:key>/"
        view = self.admin_site.admin_view(require_safe(self.image_view), cacheable=True)
        return [path(address, view, name="sessions_app_session_image"), *super().get_urls()]

    def image_view(self, request: HttpRequest, message_id: str, key: str) -> HttpResponse:
        """A picture in a message, for those who may read it on its session's page."""
        rows = SessionMessage.objects.select_related("session")
        message = get_object_or_404(rows, pk=unquote(message_id))
        may_see = self.has_view_permission(request, message.session)
        if not may_see or not may_read_messages(request):
            raise PermissionDenied
        return images.respond(message, key)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        return super().get_queryset(request).defer("context")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        steering = self.steering if self.may_steer(request) else []
        if obj is None:
            return [(None, {"fields": [*self.added, *steering]})]
        may_edit = self.has_change_permission(request, obj)
        name = "name" if may_edit else "title"
        shown = steering if may_edit and steering else self.read_steering
        version = ["version"] if may_edit else []
        return [(None, {"fields": [name, "state", *shown, *version]}), *self.fieldsets]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return []
        return self.readonly_fields + ([] if self.may_steer(request) else self.read_steering)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs.setdefault("form", FORMS[bool(obj), self.may_steer(request)])
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Only what the form edits: a worker may be changing the rest at this moment."""
        if change:
            steered = ["context", "metadata"] if self.may_steer(request) else []
            obj.save(update_fields=["name", "state", *steered, "updated_at"])
        else:
            obj.save(force_insert=True)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, Session.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            queryset.filter(is_working=False).delete()
            working = queryset.all().first()  # asked again: the list has been read before
            if working is not None:
                raise ValidationError(
                    f"The session “{working}” has a running job: cancel the job first, "
                    "then delete the session."
                )

    @admin.display(description="name", ordering="name")
    def title(self, session: Session) -> str:
        return isolated(session.name)

    @admin.display(description="context")
    def told(self, session: Session) -> str:
        return long_text(session.context) if session.context else EMPTY

    @admin.display(description="working", ordering="is_working")
    def work(self, session: Session) -> str:
        if session.is_working:
            return "working"
        last = session.last_job_status
        return f"idle, last job {last}" if last else "idle"

    @admin.display(description="project", ordering="project_path")
    def project(self, session: Session) -> str:
        return isolated(session.project_path)

    @admin.display(description="messages", ordering="message_count")
    def message_total(self, session: Session) -> str:
        return list_link(SessionMessage, f"{session.message_count:,}", session=session.pk)

    @admin.display(description="tokens", ordering="token_count")
    def token_total(self, session: Session) -> str:
        return f"{session.token_count:,}"

    @admin.display(description="last accessed", ordering="last_accessed_at")
    def last_accessed(self, session: Session) -> str:
        return when(session.last_accessed_at)

    @admin.display(description="created")
    def created(self, session: Session) -> str:
        return when(session.created_at)

    @admin.display(description="repository")
    def repository(self, session: Session) -> str:
        return _found_by_git(session, "repository")

    @admin.display(description="branch")
    def branch(self, session: Session) -> str:
        return _found_by_git(session, "branch")

    @admin.display(description="the tool's own directory")
    def directory(self, session: Session) -> str:
        return isolated(session.claude_directory_path or EMPTY)

    @admin.display(description="allowed tools")
    def allowed_tools(self, session: Session) -> str:
        return "\n".join(session.allowed_tools) or EMPTY

    @admin.action(permissions=["change"], description="Archive selected sessions")
    def archive(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        self._move(request, queryset, SessionState.INACTIVE, "archived")

    @admin.action(permissions=["change"], description="Make selected sessions active again")
    def activate(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        self._move(request, queryset, SessionState.ACTIVE, "made active again")

    def _move(self, request: HttpRequest, chosen: QuerySet[Session], state: str, done: str) -> None:
        rows = list(chosen.exclude(state=state))
        skipped = chosen.count() - len(rows)
        Session.objects.filter(pk__in=[row.pk for row in rows]).update(
            state=state, updated_at=timezone.now()
        )
        log_changes(request, rows, f"{done.capitalize()}.")
        note = f", {skipped} skipped: nothing to change" if skipped else ""
        self.message_user(request, f"{len(rows)} {done}{note}.", messages.SUCCESS)


def _found_by_git(session: Session, key: str) -> str:
    metadata: Any = session.metadata
    return isolated(str(metadata.get(key, EMPTY)) if isinstance(metadata, dict) else EMPTY)
