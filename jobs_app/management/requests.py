"""What the commands share that deal with what agents ask."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from jobs_app.answer_words import done, fate
from jobs_app.models import JobRequest
from sessions_app.lookup import find
from sessions_app.providers import Asked, Question
from sessions_app.validation import printable
from sessions_app.visible import visible


def find_request(text: str) -> JobRequest:
    """The request whose id is, starts with or ends with `text`; CommandError otherwise."""
    return find(JobRequest.objects.select_related("session"), text, "request")


def state(request: JobRequest) -> str:
    """What has become of it, on one line."""
    if request.is_open:
        return "It waits for an answer."
    return f"{answered(request)} {fate(request)}".strip()


def answered(request: JobRequest) -> str:
    """Who has answered it how; "" if nobody has."""
    if request.answered_at is None:
        return ""
    return f"{visible(request.answered_by or 'somebody')} {done(request.kind, request.given)}."


def read_replies(asked: Asked, words: Iterable[str]) -> dict[str, list[str]]:
    """Words as people type them: KEY=TEXT, where KEY is a question's number or key, or only the
    TEXT where there is one question. What a question takes is for `answers` to check."""
    replies: dict[str, list[str]] = {}
    for word in words:
        question, text = _addressed(asked.questions, word)
        replies.setdefault(question.key, []).append(chosen(question, text))
    return replies


def read_input(text: str) -> Any:
    """A changed input as people type it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValidationError(
            'The changed input is not JSON: write an object such as {"command": "ls"}.'
        ) from None


def chosen(question: Question, text: str) -> str:
    """The choice that the text names or counts, else the text itself."""
    labels = [choice.label for choice in question.choices]
    if text in labels or not (text.isascii() and text.isdigit() and len(text) < 4):
        return text
    return labels[int(text) - 1] if 0 < int(text) <= len(labels) else text


def _addressed(questions: Sequence[Question], word: str) -> tuple[Question, str]:
    key, equals, text = word.partition("=")
    for number, question in enumerate(questions, 1):
        if equals and key in (str(number), question.key):
            return question, text
    if len(questions) == 1:
        return questions[0], word
    raise ValidationError(
        f"{printable(word)!r} names no question: write 1=ANSWER for the first, and so on."
    )
