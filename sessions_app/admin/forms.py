"""Forms of sessions and messages. What a form does not name cannot be changed through it."""

import json
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.utils.html import format_html

from sessions_app.admin.versions import VersionedForm
from sessions_app.models import Provider, Session, SessionMessage
from sessions_app.projects import directories
from sessions_app.validation import validate_text, validate_tools
from sessions_app.visible import visible


class LongTextField(forms.CharField):
    """Text as it was typed: nothing stripped, and the newlines of a Unix file."""

    widget = AdminTextareaWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


TOOLS_HELP = "One a line: Read, mcp__server__tool or a rule such as Bash(npm test:*)."


class ToolsField(forms.CharField):
    """A list of tools, one a line."""

    widget = AdminTextareaWidget(attrs={"rows": 4})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "help_text": TOOLS_HELP, **kwargs})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        lines = [line.strip() for line in super().clean(value).splitlines()]
        tools = [line for line in lines if line]
        validate_tools(tools)
        return tools


CONTEXT_HELP = "Told to the agent at the start of the conversation."


class SessionNameForm(VersionedForm):
    """What does not reach the agent."""

    name = forms.CharField(widget=AdminTextInputWidget)

    class Meta:
        model = Session
        fields = ["name", "state"]


class SessionForm(SessionNameForm):
    context = LongTextField(required=False, help_text=CONTEXT_HELP)
    allowed_tools = ToolsField()

    class Meta:
        model = Session
        fields = ["name", "state", "context"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["allowed_tools"].initial = self.instance.allowed_tools

    def clean_context(self) -> str | None:
        return self.cleaned_data["context"] or None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        stored = self.instance.metadata
        metadata = dict(stored) if isinstance(stored, dict) else {}
        metadata.pop("allowedTools", None)
        if cleaned.get("allowed_tools"):
            metadata["allowedTools"] = cleaned["allowed_tools"]
        self.instance.metadata = metadata or None
        return cleaned


class NewSessionForm(forms.ModelForm):
    project_path = forms.CharField(
        label="Project directory",
        widget=AdminTextInputWidget,
    )
    provider = forms.ChoiceField(choices=Provider.choices, initial=Provider.CLAUDE_CODE)
    name = forms.CharField(
        required=False,
        widget=AdminTextInputWidget,
        help_text="Empty: the repository's name and the path below it.",
    )
    context = LongTextField(required=False, help_text=CONTEXT_HELP)
    allowed_tools = ToolsField()

    class Meta:
        model = Session
        fields = ["project_path", "provider", "name", "context"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roots = ", ".join(str(root) for root in settings.POKECODE_PROJECT_ROOTS)
        self.fields["project_path"].help_text = format_html(
            "An existing directory on the host where the agent is to run, in {}.", visible(roots)
        )

    def clean_project_path(self) -> str:
        return str(directories.resolve_project(self.cleaned_data["project_path"]))

    def _post_clean(self) -> None:
        """The manager builds and checks the session as a whole, not field by field."""
        if self.errors:
            return
        options = dict(self.cleaned_data)
        try:
            self.instance = Session.objects.build_for_path(options.pop("project_path"), **options)
        except ValidationError as error:
            self.add_error(None, error.messages)


class NewSessionPathForm(NewSessionForm):
    """Without what the agent is told and allowed."""

    context = None  # type: ignore[assignment]
    allowed_tools = None  # type: ignore[assignment]


class MessageForm(VersionedForm):
    content_data = LongTextField(
        label="Raw event", help_text="A JSON object, as the agent's command-line tool prints it."
    )

    class Meta:
        model = SessionMessage
        fields = ["session", "type", "content_data", "provider_session_id", "token_count"]
        widgets = {"provider_session_id": AdminTextInputWidget}

    def clean_content_data(self) -> str:
        content = self.cleaned_data["content_data"]
        validate_text("The event", content)
        if not _is_object(content):
            raise ValidationError('The event must be a JSON object, such as {"type": "user"}.')
        return str(content)

    def clean_provider_session_id(self) -> str | None:
        return self.cleaned_data["provider_session_id"] or None

    def clean_token_count(self) -> int | None:
        count = self.cleaned_data["token_count"]
        if count is not None and count < 0:
            raise ValidationError("A token count is 0 or more.")
        return count


def _is_object(content: str) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False
