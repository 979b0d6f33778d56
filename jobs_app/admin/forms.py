"""Forms of jobs and of trusted projects."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError

from jobs_app import queue
from jobs_app.models import Job, ProjectTrust, default_max_attempts
from sessions_app.admin.forms import LongTextField, ToolsField
from sessions_app.validation import validate_model, validate_prompt


class JobForm(forms.ModelForm):
    """A new job, or one that still waits."""

    prompt = LongTextField(validators=[validate_prompt], widget=AdminTextareaWidget)
    model_name = forms.CharField(
        label="Model",
        required=False,
        validators=[validate_model],
        widget=AdminTextInputWidget,
        help_text="Empty: what the agent's command-line tool uses by itself.",
    )
    allowed_tools = ToolsField()
    max_attempts = forms.IntegerField(min_value=1, max_value=100, initial=default_max_attempts)

    class Meta:
        model = Job
        fields = ["session", "max_attempts"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        data = self.instance.data
        if isinstance(data, dict):
            self.initial["prompt"] = data.get("prompt")
            self.initial["model_name"] = data.get("model")
            self.initial["allowed_tools"] = data.get("allowedTools")

    def _post_clean(self) -> None:
        """The queue has the last word: what it refuses is said on the form, and no text is lost."""
        if self.errors:
            return
        try:
            self.instance = self._submit(**self.cleaned_data)
        except ValidationError as refusal:
            self.add_error(None, refusal.messages)

    def _submit(self, *, model_name: str, session: Any = None, **options: Any) -> Job:
        if session is not None:
            return queue.enqueue(session, model=model_name or None, **options)
        queue.edit(self.instance, model=model_name or None, **options)
        return Job.objects.get(pk=self.instance.pk)


class ProjectTrustForm(forms.ModelForm):
    path = forms.CharField(
        label="Project directory",
        widget=AdminTextInputWidget,
        help_text="Its own agent settings (hooks, MCP servers, environment) will take effect: "
        "they run programs.",
    )

    class Meta:
        model = ProjectTrust
        fields = ["path"]
