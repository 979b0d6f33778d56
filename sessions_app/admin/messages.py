"""Messages in the admin: read, added, edited and deleted through the transcript."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Substr
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.http import content_disposition_header

from sessions_app import transcript
from sessions_app.admin.base import BaseAdmin, SessionFilter, SessionLinkMixin
from sessions_app.admin.forms import MessageForm
from sessions_app.display.headlines import headline
from sessions_app.display.html import EMPTY, SHOWN_LIMIT, clip, isolated, long_text, page_url, when
from sessions_app.models import SessionMessage
from sessions_app.providers.events import parse_stored
from sessions_app.transcript import NewMessage

EXCERPT = 4000
"""Characters of an event that a list reads: most events fit, and of a giant this is enough."""


class MessageAdmin(SessionLinkMixin, BaseAdmin):
    form = MessageForm
    list_display = ["created", "of_session", "type", "provider", "tokens", "text"]
    list_filter = [SessionFilter, "type", "provider", "created_at"]
    list_select_related = ["session"]
    search_fields = ["content_data", "=provider_session_id", "=id"]
    search_help_text = "Words in the raw event, or an id"
    ordering = ["-id"]
    autocomplete_fields = ["session"]
    added = ["session", "type", "content_data", "token_count"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionMessage]:
        """A list reads the beginning of each event: a single one can hold many megabytes."""
        rows = super().get_queryset(request).annotate(start=Substr("content_data", 1, EXCERPT))
        return rows.defer("content_data", "session__context")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        steering = ["provider_session_id"] if self.may_steer(request) else []
        if obj is None:
            return [(None, {"fields": [*self.added, *steering]})]
        may_edit = self.has_change_permission(request, obj)
        # The next run resumes this conversation.
        conversation = "provider_session_id" if may_edit and steering else "conversation"
        facts = ["of_session", "type", "provider", "created", conversation, "token_count"]
        found = [(None, {"fields": facts}), ("Event", {"fields": ["event"]})]
        if may_edit:
            facts.append("version")
        if may_edit and not is_long(obj):
            found.append(("Edit the raw event", {"fields": ["content_data"]}))
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return []
        fixed = ["session", "of_session", "provider", "created", "conversation", "event"]
        return [*fixed, "content_data"] if is_long(obj) else fixed

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            transcript.edit(obj)
            return
        message = NewMessage(
            session_id=obj.session_id,
            provider=obj.session.provider,
            type=obj.type,
            content=obj.content_data,
            provider_session_id=obj.provider_session_id,
            token_count=obj.token_count,
        )
        obj.pk = transcript.append([message])[0].pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        transcript.remove([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        transcript.remove(queryset)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.raw_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_raw"
        return [path("<path:object_id>/raw/", view, name=name), *super().get_urls()]

    def raw_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The stored event as a download: a browser must never show it as a page."""
        message = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, message):
            raise PermissionDenied
        if message is None:
            raise Http404
        response = HttpResponse(message.content_data, content_type="application/json")
        response["Content-Disposition"] = content_disposition_header(True, f"{message.pk}.json")
        return response

    @admin.display(description="when", ordering="id")
    def created(self, message: SessionMessage) -> str:
        return when(message.created_at)

    @admin.display(description="tokens", ordering="token_count")
    def tokens(self, message: SessionMessage) -> str:
        return EMPTY if message.token_count is None else f"{message.token_count:,}"

    @admin.display(description="provider session id")
    def conversation(self, message: SessionMessage) -> str:
        return isolated(message.provider_session_id or EMPTY)

    @admin.display(description="text")
    def text(self, message: Any) -> str:
        if len(message.start) == EXCERPT:  # cut: no longer JSON
            return isolated(clip(message.start))
        return isolated(clip(headline(message.provider, message.type, message.start)))

    @admin.display(description="raw event")
    def event(self, message: SessionMessage) -> str:
        url = page_url(SessionMessage, message.pk, "raw")
        size = f"{len(message.content_data):,}"
        link = format_html('<p><a href="{}">Download all {} characters</a></p>', url, size)
        return format_html("{}{}", long_text(formatted(message.content_data)), link)


def is_long(message: SessionMessage) -> bool:
    """Too long to be edited in a page."""
    return len(message.content_data) > SHOWN_LIMIT


def formatted(raw: str) -> str:
    """An event indented, as far as a page shows it; unchanged if it is long or not JSON."""
    if len(raw) > SHOWN_LIMIT:
        return raw
    text = ""
    try:
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(parse_stored(raw)):
            text += piece
            if len(text) > SHOWN_LIMIT:  # deep nesting is mostly indentation
                break
    except RecursionError:
        return raw
    return raw if text == "{}" else text
