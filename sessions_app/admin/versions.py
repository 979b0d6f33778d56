"""Two people edit one row: the second is told, instead of undoing what the first has done."""

import hashlib
import json
from copy import copy
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.db.models import Model
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sessions_app.display.html import isolated, page_url

VERSION = "version"
"""The field's name, and the salt of its signature."""


class VersionField(forms.CharField):
    """Which version of its row a form was filled from."""

    widget = forms.HiddenInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, **kwargs})

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class VersionedForm(forms.ModelForm):
    """Saves nothing over a change that was made after the form was opened; saved again, it does."""

    version = VersionField()

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> Any:
        """Asked when the field is shown: only then are the initial values of all others set."""
        if field_name == VERSION:
            return "" if self.instance._state.adding else _write(self._digest())
        return super().get_initial_for_field(field, field_name)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        sent = cleaned.pop(VERSION, "")
        if sent and not self.instance._state.adding:
            self._compare(sent)
        return cleaned

    def _compare(self, sent: str) -> None:
        """Locks the row: what is compared here is what will be replaced."""
        rows = self._meta.model._base_manager.select_for_update()
        stored = rows.filter(pk=self.instance.pk).first()
        if stored is None:
            self.add_error(None, "This was deleted while you were editing it.")
            return
        digest, opened = _read(sent)
        now = type(self)(instance=stored)._digest()
        if digest != now:
            self.add_error(None, _told(stored, opened))
            renewed: Any = copy(self.data)
            renewed[self.add_prefix(VERSION)] = _write(now)
            self.data = renewed

    def _digest(self) -> str:
        values = [
            self.get_initial_for_field(field, name)
            for name, field in self.fields.items()
            if name != VERSION
        ]
        return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()


def _write(digest: str) -> str:
    return signing.dumps([digest, timezone.now().timestamp()], salt=VERSION)


def _read(version: str) -> tuple[str, datetime]:
    try:
        digest, opened = signing.loads(version, salt=VERSION)
        return digest, datetime.fromtimestamp(opened, UTC)
    except signing.BadSignature:  # not one of ours: of no version, opened just now
        return "", timezone.now()


def _told(row: Model, opened: datetime) -> SafeString:
    change = _newest_change(row, opened)
    who = isolated(str(change.user)) if change else "Somebody"
    time = f" at {change.action_time:%H:%M:%S} UTC" if change else ""
    return format_html(
        "{} changed this{} while you were editing it, so nothing was saved. What you typed is "
        'kept here: <a href="{}" target="_blank">look at what it is now</a>, then save again if '
        "yours is to replace it.",
        who,
        time,
        page_url(type(row), row.pk),
    )


def _newest_change(row: Model, since: datetime) -> LogEntry | None:
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(row),
        object_id=row.pk,
        action_time__gte=since,
    )
    return entries.select_related("user").order_by("-action_time").first()
