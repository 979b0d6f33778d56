"""Forms of prompts, of jobs and of trusted projects."""

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import ValidationError

from jobs_app import images, queue
from jobs_app.admin.images import ImagesField
from jobs_app.models import MOST_ATTEMPTS, Job, ProjectTrust, default_max_attempts
from sessions_app.admin.forms import TOOLS_HELP, LongTextField, ToolsField
from sessions_app.admin.versions import VersionedForm
from sessions_app.validation import EMPTY_PROMPT, validate_model, validate_prompt

T = TypeVar("T")


class PromptForm(forms.Form):
    """A prompt and how the agent is to run it."""

    prompt = LongTextField(validators=[validate_prompt], error_messages={"required": EMPTY_PROMPT})
    model_name = forms.CharField(  # `model` is a name of Django's in the admin
        label="Model",
        required=False,
        validators=[validate_model],
        widget=AdminTextInputWidget,
        help_text="Empty: the agent's own default.",
    )
    allowed_tools = ToolsField(help_text=f"{TOOLS_HELP} Empty: what the session allows.")
    images = ImagesField()

    def ask(self, verb: Callable[..., T]) -> T | None:
        """What a verb of the queue makes of it, which has the last word: what it refuses is said
        on the form, and no text is lost."""
        if not self.is_valid():
            return None
        options = dict(self.cleaned_data)
        model = options.pop("model_name") or None
        try:
            return verb(model=model, **options)
        except ValidationError as refusal:
            self.add_error(None, refusal.messages)
            return None


class JobForm(PromptForm, VersionedForm):
    """A new job, or one that still waits."""

    max_attempts = forms.IntegerField(
        min_value=1, max_value=MOST_ATTEMPTS, initial=default_max_attempts
    )

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
            self.initial["images"] = images.of_job(self.instance)

    def _post_clean(self) -> None:
        """Asked here, so that the admin sees a refusal as it sees any mistake in the form."""
        self.instance = self.ask(self._submit) or self.instance

    def _submit(self, *, session: Any = None, **options: Any) -> Job:
        if session is not None:
            return queue.enqueue(session, **options)
        queue.edit(self.instance, **options)
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
