"""What agents ask, what they are told and what they are writing, in the admin: to be read. An
answer is given on a request's own page, where all that would run is shown."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs_app import answers
from jobs_app.admin.html import status
from jobs_app.answer_words import done, fate
from jobs_app.answers import may_answer
from jobs_app.gists import sized, with_sizes
from jobs_app.models import Job, JobAttempt, JobDraft, JobRequest, JobSteer
from jobs_app.models.talk import UNANSWERED
from sessions_app.admin.base import (
    BaseAdmin,
    ReadOnlyMixin,
    SessionFilter,
    SessionLinkMixin,
    log_changes,
    may_read_messages,
)
from sessions_app.display.html import EMPTY, clip, isolated, link, long_text, when

DENIED = "Denied from the list."


class OpenFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "waits for an answer"), ("no", "answered or closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "yes":
                return queryset.filter(UNANSWERED)
            case "no":
                return queryset.exclude(UNANSWERED)
        return queryset


class TalkAdmin(ReadOnlyMixin, SessionLinkMixin, BaseAdmin):
    """Rows that hold what was said, so that who may see them may also read that."""

    list_select_related = ["session"]

    class Media:
        css = {"all": ["jobs_app/admin.css"]}

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and may_read_messages(request)

    @admin.display(description="job")
    def of_job(self, row: Any) -> str:
        return link(Job, row.job_id, "job")


@admin.register(JobRequest)
class RequestAdmin(TalkAdmin):
    list_display = ["asked_when", "kind", "tool_name", "of_session", "what", "state", "by"]
    list_display_links = ["asked_when"]
    list_filter = [OpenFilter, SessionFilter, "kind", "asked_at"]
    linked_lookups = ["job__id__exact"]
    search_fields = ["content_data", "session__name", "=id", "=job__id"]
    search_help_text = "Words of what is asked, a session's name, or an id"
    ordering = ["-id"]
    actions = ["deny_selected"]
    fieldsets = [
        (None, {"fields": ["kind", "tool_name", "of_session", "of_job", "of_attempt", "page"]}),
        ("Answer", {"fields": ["state", "by", "answered_when", "words", "became", "closed_when"]}),
        ("Request", {"fields": ["asked_when", "call", "raw", "raw_call"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobRequest]:
        return with_sizes(super().get_queryset(request)).defer(
            "content_data", "call_data", "session__context"
        )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Who is to answer has to see what is asked.
        return super().has_view_permission(request, obj) or may_answer(request.user)

    def has_answer_permission(self, request: HttpRequest) -> bool:
        return may_answer(request.user)

    @admin.action(permissions=["answer"], description="Deny selected requests")
    def deny_selected(self, request: HttpRequest, queryset: QuerySet[JobRequest]) -> None:
        """Many at once can only be denied: what is allowed has to be shown first."""
        denied = [row for row in queryset if _deny(row, request.user.get_username())]
        log_changes(request, denied, DENIED)
        late = queryset.count() - len(denied)
        note = f", {late} skipped: answered or closed already" if late else ""
        level = messages.SUCCESS if denied else messages.WARNING
        self.message_user(request, f"{len(denied)} denied{note}.", level)

    @admin.display(description="asked", ordering="id")
    def asked_when(self, row: JobRequest) -> str:
        return when(row.asked_at)

    @admin.display(description="tool", ordering="tool")
    def tool_name(self, row: JobRequest) -> str:
        return isolated(clip(row.tool) or EMPTY)

    @admin.display(description="what")
    def what(self, row: JobRequest) -> str:
        [found] = sized([row])
        return isolated(found.gist)

    @admin.display(description="state")
    def state(self, row: JobRequest) -> str:
        if row.is_open:
            return status("waiting", "waits for an answer")
        if row.answered_at is None:
            return status("cancelled", row.get_closed_why_display())
        return status("completed", done(row.kind, row.given))

    @admin.display(description="answered by", ordering="answered_by")
    def by(self, row: JobRequest) -> str:
        return isolated(row.answered_by or EMPTY)

    @admin.display(description="attempt")
    def of_attempt(self, row: JobRequest) -> str:
        return link(JobAttempt, row.attempt_id, "attempt")

    @admin.display(description="whole")
    def page(self, row: JobRequest) -> SafeString:
        url = reverse("admin:sessions_app_session_request", args=[row.session_id, row.pk])
        verb = "Read all of it and answer" if row.is_open else "Read all of it"
        return format_html('<a href="{}">{}</a>', url, verb)

    @admin.display(description="answered")
    def answered_when(self, row: JobRequest) -> str:
        return when(row.answered_at)

    @admin.display(description="words for the agent")
    def words(self, row: JobRequest) -> str:
        return long_text(str(row.given["why"])) if row.given.get("why") else EMPTY

    @admin.display(description="what became of it")
    def became(self, row: JobRequest) -> str:
        return fate(row) or EMPTY

    @admin.display(description="closed")
    def closed_when(self, row: JobRequest) -> str:
        return when(row.closed_at)

    @admin.display(description="call")
    def call(self, row: JobRequest) -> str:
        return isolated(row.call_id or EMPTY)

    @admin.display(description="as it came")
    def raw(self, row: JobRequest) -> str:
        return long_text(row.content_data)

    @admin.display(description="the call, as it came")
    def raw_call(self, row: JobRequest) -> str:
        return long_text(row.call_data) if row.call_data else EMPTY


def _deny(row: JobRequest, by: str) -> bool:
    try:
        answers.deny(row, by=by)
    except ValidationError:  # somebody was first, or it is closed
        return False
    return True


@admin.register(JobSteer)
class SteerAdmin(TalkAdmin):
    list_display = ["told_when", "of_session", "said", "by", "state"]
    list_filter = [SessionFilter, "told_at"]
    search_fields = ["text", "told_by", "=id", "=job__id"]
    ordering = ["-id"]
    fields = ["of_session", "of_job", "whole", "by", "told_when", "state", "own_job"]

    @admin.display(description="told", ordering="id")
    def told_when(self, row: JobSteer) -> str:
        return when(row.told_at)

    @admin.display(description="words")
    def said(self, row: JobSteer) -> str:
        return isolated(clip(row.text))

    @admin.display(description="words")
    def whole(self, row: JobSteer) -> str:
        return long_text(row.text)

    @admin.display(description="told by", ordering="told_by")
    def by(self, row: JobSteer) -> str:
        return isolated(row.told_by)

    @admin.display(description="state")
    def state(self, row: JobSteer) -> str:
        if row.own_job_id:
            return "became a prompt of its own"
        if row.read_at:
            return "read by the agent"
        return "sent" if row.sent_at else "not sent yet"

    @admin.display(description="the prompt that it became")
    def own_job(self, row: JobSteer) -> str:
        return link(Job, row.own_job_id, "job") if row.own_job_id else EMPTY


@admin.register(JobDraft)
class DraftAdmin(TalkAdmin):
    list_display = ["updated", "of_session", "end"]
    list_filter = [SessionFilter]
    ordering = ["-updated_at"]
    fields = ["of_session", "of_attempt", "updated", "whole"]

    @admin.display(description="written", ordering="updated_at")
    def updated(self, row: JobDraft) -> str:
        return when(row.updated_at)

    @admin.display(description="attempt")
    def of_attempt(self, row: JobDraft) -> str:
        return link(JobAttempt, row.attempt_id, "attempt")

    @admin.display(description="its end")
    def end(self, row: JobDraft) -> str:
        return isolated(clip(row.text[-100:]))

    @admin.display(description="text")
    def whole(self, row: JobDraft) -> str:
        return long_text(row.text)
