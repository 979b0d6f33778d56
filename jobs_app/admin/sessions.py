"""What the queue adds to a session's pages: its jobs, and trust in its project."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from jobs_app import images
from jobs_app.acts import RUN_JOB
from jobs_app.admin.forms import (
    NewSteeredSessionForm,
    ProjectTrustForm,
    SteeredSessionForm,
    approvals_of_host,
)
from jobs_app.models import Job, ProjectTrust, SessionOptions
from jobs_app.trusts import NOT_TRUSTED, TRUST_PROJECT, TRUSTED, is_trusted, trust
from sessions_app.admin.base import BaseAdmin, log_changes
from sessions_app.admin.messages import MessageAdmin
from sessions_app.admin.sessions import SessionAdmin
from sessions_app.display.html import EMPTY, isolated, list_link, when
from sessions_app.models import Session, SessionMessage

OPTIONS = ["approvals", "model_name", "effort"]


class SteeringMixin:
    """Whoever may set what an agent is told, allowed or to resume could as well prompt it."""

    def may_steer(self, request: HttpRequest) -> bool:
        return request.user.has_perm(RUN_JOB)


@admin.register(SessionMessage)
class SteeringMessageAdmin(SteeringMixin, MessageAdmin):
    """Messages, one of which names the conversation that the next run resumes."""


class SessionJobsAdmin(SteeringMixin, SessionAdmin):
    list_display = [*SessionAdmin.list_display, "jobs"]
    steering = [*SessionAdmin.steering, *OPTIONS]
    read_steering = [*SessionAdmin.read_steering, *OPTIONS]
    actions = [*SessionAdmin.actions, "trust_projects"]
    fieldsets = [*SessionAdmin.fieldsets, ("Jobs", {"fields": ["jobs", "new_job", "trusted"]})]
    readonly_fields = [*SessionAdmin.readonly_fields, "jobs", "new_job", "trusted"]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if self.may_steer(request):
            kwargs.setdefault("form", SteeredSessionForm if obj else NewSteeredSessionForm)
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if self.may_steer(request):
            SessionOptions.objects.keep(obj, **form.options)

    def has_trust_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(TRUST_PROJECT)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():  # the files go after the rows
            images.forget_later(sessions=queryset.values_list("pk", flat=True))
            super().delete_queryset(request, queryset)

    @admin.display(description="approvals")
    def approvals(self, session: Session) -> str:
        return options_of(session).get_approvals_display() or approvals_of_host()

    @admin.display(description="model")
    def model_name(self, session: Session) -> str:
        return isolated(options_of(session).model or EMPTY)

    @admin.display(description="effort")
    def effort(self, session: Session) -> str:
        return isolated(options_of(session).effort or EMPTY)

    @admin.display(description="jobs")
    def jobs(self, session: Session) -> str:
        return list_link(Job, "jobs", session=session.pk)

    @admin.display(description="new job")
    def new_job(self, session: Session) -> str:
        url = reverse("admin:jobs_app_job_add")
        return format_html('<a href="{}?session={}">Queue a prompt</a>', url, session.pk)

    @admin.display(description="the project's own agent settings")
    def trusted(self, session: Session) -> str:
        return TRUSTED if is_trusted(session.project_path) else NOT_TRUSTED

    @admin.action(
        permissions=["trust"],
        description="Trust this project's own agent settings (they run programs)",
    )
    def trust_projects(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        sessions = list(queryset)
        paths = sorted({session.project_path for session in sessions})
        added = trust(paths, request.user.get_username())
        log_changes(request, sessions, "Trusted the project's own agent settings.")
        known = len(paths) - added
        note = f", {known} skipped: already trusted" if known else ""
        self.message_user(request, f"{added} trusted{note}.", messages.SUCCESS)


def options_of(session: Session) -> SessionOptions:
    return SessionOptions.objects.filter(session=session).first() or SessionOptions()


@admin.register(ProjectTrust)
class ProjectTrustAdmin(BaseAdmin):
    form = ProjectTrustForm
    list_display = ["project", "by", "trusted"]
    search_fields = ["path", "trusted_by"]
    ordering = ["path"]
    fields = ["path"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(TRUST_PROJECT)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(TRUST_PROJECT)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(TRUST_PROJECT) or super().has_view_permission(request, obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["project", "by", "trusted"] if obj else self.fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.trusted_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    @admin.display(description="project", ordering="path")
    def project(self, row: ProjectTrust) -> str:
        return isolated(row.path)

    @admin.display(description="trusted by", ordering="trusted_by")
    def by(self, row: ProjectTrust) -> str:
        return isolated(row.trusted_by)

    @admin.display(description="trusted", ordering="trusted_at")
    def trusted(self, row: ProjectTrust) -> str:
        return when(row.trusted_at)
