"""Forms of prompts, of jobs and of trusted projects."""

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.conf import settings
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import ValidationError

from jobs_app import images, queue
from jobs_app.admin.images import ImagesField
from jobs_app.models import (
    MOST_ATTEMPTS,
    Approvals,
    Job,
    JobOptions,
    ProjectTrust,
    SessionOptions,
    default_max_attempts,
)
from sessions_app.admin.forms import (
    TOOLS_HELP,
    LongTextField,
    NewSessionForm,
    SessionForm,
    ToolsField,
)
from sessions_app.admin.versions import VersionedForm
from sessions_app.validation import EMPTY_PROMPT, validate_effort, validate_model, validate_prompt

T = TypeVar("T")


class ApprovalsField(forms.ChoiceField):
    """What happens to what an agent needs a permission for. `empty` says who decides otherwise."""

    def __init__(self, empty: Callable[[], str], **kwargs: Any) -> None:
        def choices() -> list[tuple[str, str]]:
            return [("", empty()), *((choice.value, choice.label) for choice in Approvals)]

        help_text = "What happens to what the agent needs a permission for."
        super().__init__(choices=choices, required=False, help_text=help_text, **kwargs)


def approvals_of_host() -> str:
    return f"as this host: {Approvals(settings.POKECODE_APPROVALS).label}"


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
    approvals = ApprovalsField(lambda: "as the session")
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
            options = JobOptions.objects.filter(job=self.instance).first()
            self.initial["approvals"] = options and options.approvals
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


class OptionsForm(forms.Form):
    """What a session wants otherwise than its host. Valid, it has them as `options`."""

    approvals = ApprovalsField(approvals_of_host)
    model_name = forms.CharField(
        label="Model",
        required=False,
        validators=[validate_model],
        widget=AdminTextInputWidget,
        help_text="Of prompts that name none. Empty: the agent's own default.",
    )
    effort = forms.CharField(
        required=False,
        validators=[validate_effort],
        widget=AdminTextInputWidget,
        help_text="A word such as low, medium or high. Empty: the agent's own default.",
    )

    options: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        session = self.instance  # type: ignore[attr-defined]
        kept = SessionOptions.objects.filter(session=session.pk).first() or SessionOptions()
        self.initial["approvals"] = kept.approvals
        self.initial["model_name"] = kept.model
        self.initial["effort"] = kept.effort

    def _post_clean(self) -> None:
        """They are not the session's own fields."""
        names = {"approvals": "approvals", "model_name": "model", "effort": "effort"}
        self.options = {name: self.cleaned_data.pop(field, None) for field, name in names.items()}
        super()._post_clean()  # type: ignore[misc]


class SteeredSessionForm(OptionsForm, SessionForm):
    """A session, its agent's context, tools and options."""


class NewSteeredSessionForm(OptionsForm, NewSessionForm):
    """The same of a new one."""
