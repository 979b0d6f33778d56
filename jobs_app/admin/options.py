"""Where sessions and jobs differ from their host: to be read. They are set on the session's page
and on the job's."""

from typing import Any

from django.contrib import admin

from jobs_app.models import Job, JobOptions, SessionOptions
from sessions_app.admin.base import BaseAdmin, ReadOnlyMixin, SessionFilter, SessionLinkMixin
from sessions_app.display.html import EMPTY, isolated, link


class OptionsAdmin(ReadOnlyMixin, BaseAdmin):
    list_display_links = ["approvals_told"]
    ordering = ["-id"]

    @admin.display(description="approvals", ordering="approvals")
    def approvals_told(self, row: Any) -> str:
        return row.get_approvals_display() or EMPTY


@admin.register(SessionOptions)
class SessionOptionsAdmin(SessionLinkMixin, OptionsAdmin):
    list_display = ["approvals_told", "model_name", "effort_told", "of_session"]
    list_filter = [SessionFilter, "approvals"]
    list_select_related = ["session"]
    search_fields = ["session__name", "model", "=id"]
    fields = ["of_session", "approvals_told", "model_name", "effort_told"]

    @admin.display(description="model", ordering="model")
    def model_name(self, row: SessionOptions) -> str:
        return isolated(row.model or EMPTY)

    @admin.display(description="effort", ordering="effort")
    def effort_told(self, row: SessionOptions) -> str:
        return isolated(row.effort or EMPTY)


@admin.register(JobOptions)
class JobOptionsAdmin(OptionsAdmin):
    list_display = ["approvals_told", "image_count", "of_job"]
    list_filter = ["approvals"]
    search_fields = ["=job__id", "=id"]
    fields = ["of_job", "approvals_told", "image_count"]

    @admin.display(description="job")
    def of_job(self, row: JobOptions) -> str:
        return link(Job, row.job_id, "job")

    @admin.display(description="images")
    def image_count(self, row: JobOptions) -> str:
        images: Any = row.images
        return str(len(images)) if isinstance(images, list) else EMPTY
