"""The form on which a person answers what an agent asks."""

import json
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.functional import cached_property

from jobs_app import answers
from jobs_app.models import JobRequest
from sessions_app.admin.forms import LongTextField
from sessions_app.providers import Asked, Question
from sessions_app.providers.asked import ACCEPT_EDITS, ASK_FOR_EDITS
from sessions_app.visible import visible

DECISIONS = {
    "allow": "Allow once",
    "allow for session": "Allow for this session",
    "allow changed": "Allow this instead",
    "approve": "Approve, and ask for each edit",
    "approve edits": "Approve, and accept edits",
    "deny": "Deny",
    "stop": "Deny and stop",
    "reply": "Answer",
}
"""What a button sends, and what stands on it."""


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a question, as it is shown: `value` is sent for it."""

    value: str
    label: str
    description: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A question on the form, with what was chosen and typed so far."""

    question: Question
    name: str
    options: list[Option]
    text: str
    """One's own words."""

    @property
    def takes_text(self) -> bool:
        return self.question.takes_text or not self.options

    @property
    def header(self) -> str:
        return visible(self.question.header)

    @property
    def text_of_question(self) -> str:
        return visible(self.question.text)

    @property
    def text_name(self) -> str:
        return f"{self.name}_text"


class AnswerForm(forms.Form):
    """One answer to one request."""

    decision = forms.ChoiceField(
        choices=list(DECISIONS.items()),
        error_messages={"required": "Choose an answer.", "invalid_choice": "Choose an answer."},
    )
    why = LongTextField(required=False)
    changed = LongTextField(required=False)

    def __init__(self, request: JobRequest, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.request = request

    @cached_property
    def asked(self) -> Asked:
        return self.request.asked

    def give(self, by: str) -> bool:
        """Give the answer; False with the reason among this form's errors."""
        if not self.is_valid():
            return False
        try:
            self._give(by)
        except ValidationError as refusal:
            self.add_error(None, refusal.messages)
            return False
        return True

    def _give(self, by: str) -> None:
        request, why = self.request, self.cleaned_data["why"]
        match self.cleaned_data["decision"]:
            case "allow":
                answers.allow(request, by=by)
            case "allow for session":
                answers.allow(request, for_session=True, by=by)
            case "allow changed":
                answers.allow(request, input=self._changed(), by=by)
            case "approve":
                answers.allow(request, mode=ASK_FOR_EDITS, by=by)
            case "approve edits":
                answers.allow(request, mode=ACCEPT_EDITS, by=by)
            case "deny":
                answers.deny(request, why=why, by=by)
            case "stop":
                answers.deny(request, why=why, stop=True, by=by)
            case "reply":
                answers.reply(request, self._replies(), by=by)

    # --- allowed, but changed -------------------------------------------------------

    @property
    def is_command(self) -> bool:
        """Whether the command alone is edited. Not one with characters that a text box hides."""
        command = self.asked.input.get("command")
        return isinstance(command, str) and command == visible(command)

    @property
    def editable(self) -> str:
        """What was asked, or what was made of it, as text to edit."""
        if self.is_bound and self.data.get("changed"):
            return str(self.data["changed"])
        asked = self.asked.input
        return str(asked["command"]) if self.is_command else json.dumps(asked, indent=2)

    def _changed(self) -> Any:
        text = self.cleaned_data["changed"]
        if not text.strip():
            raise ValidationError("Nothing is left of it: write what to run instead, or deny it.")
        asked = self.asked.input
        return {**asked, "command": text} if self.is_command else _json(text)

    # --- questions ------------------------------------------------------------------

    @property
    def fields_of_questions(self) -> list[Field]:
        return [self._field(number, each) for number, each in enumerate(self.asked.questions)]

    def _field(self, number: int, question: Question) -> Field:
        name = f"question{number}"
        chosen = self._sent(name)
        options = [
            Option(
                str(place),
                visible(choice.label),
                visible(choice.description),
                str(place) in chosen,
            )
            for place, choice in enumerate(question.choices)
        ]
        return Field(question, name, options, "".join(self._sent(f"{name}_text")))

    def _sent(self, name: str) -> list[str]:
        return self.data.getlist(name) if isinstance(self.data, QueryDict) else []

    def _replies(self) -> dict[str, list[str]]:
        return {field.question.key: self._reply(field) for field in self.fields_of_questions}

    def _reply(self, field: Field) -> list[str]:
        offered = {str(place): each.label for place, each in enumerate(field.question.choices)}
        sent = self._sent(field.name)
        if not set(sent) <= set(offered):
            raise ValidationError("One of these choices was not offered: choose another.")
        typed = field.text.replace("\r\n", "\n")
        words = [typed] if typed.strip() else []
        if sent and words and not field.question.takes_several:
            raise ValidationError(
                f"Choose one answer to {visible(field.question.text)!r} or type one, not both."
            )
        return [offered[value] for value in sent] + words


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"What you changed is no JSON any more: {error}.") from error
