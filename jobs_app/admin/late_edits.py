"""A prompt that leaves the queue while somebody edits it: what was typed is not lost."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from jobs_app.models import Job, JobStatus
from sessions_app import image_files
from sessions_app.admin.base import BaseAdmin

LEFT: dict[str, str] = {
    JobStatus.PROCESSING: "This prompt has started while you were editing it.",
    JobStatus.COMPLETED: "This prompt has run, and completed, while you were editing it.",
    JobStatus.FAILED: "This prompt has run, and failed, while you were editing it.",
    JobStatus.CANCELLED: "This job was cancelled while you were editing it.",
}
"""A job's status -> why it can no longer be edited."""

DELETED = "This job was deleted while you were editing it."
KEPT = "Your change was not saved. What you typed is below."
ANEW = f"{KEPT[:-1]}: you can queue it as a new prompt."


class LateEditMixin(BaseAdmin):
    """The page of a job, whose fields `edited` are those of its form."""

    edited: list[str]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Django's; a prompt that left the queue while it was edited is offered as a new one."""
        if request.method != "POST" or not self._may_edit(request):
            return super().change_view(request, object_id, form_url, extra_context)
        # The lock keeps the job in the queue meanwhile, and the images that it is given stay.
        with image_files.held(), transaction.atomic():
            job = Job.objects.select_for_update().filter(pk=unquote(object_id)).first()
            if job and job.status == JobStatus.PENDING:
                return super().change_view(request, object_id, form_url, extra_context)
        why = LEFT[job.status] if job else DELETED
        if self.has_add_permission(request):
            return self._offer_anew(request, job, why)
        self.message_user(request, f"{why} {KEPT}", messages.WARNING)
        context = {"kept": request.POST.get("prompt", "")}
        request.method = "GET"
        return super().change_view(request, object_id, form_url, context)

    def _may_edit(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and self.has_change_permission(request)

    def _offer_anew(self, request: HttpRequest, job: Job | None, why: str) -> HttpResponse:
        """The page for a new job, with what was typed."""
        self.message_user(request, f"{why} {ANEW}", messages.WARNING)
        shown: Any = request.GET.copy()
        shown.update({name: request.POST.get(name, "") for name in self.edited})
        shown["session"] = job.session_id if job else ""
        request.method, request.GET = "GET", shown  # the page for adding shows its query
        context = {"title": "Queue a new prompt", "is_anew": True}
        target = self.keep_filters(request, reverse("admin:jobs_app_job_add"))
        return self.add_view(request, target, context)
