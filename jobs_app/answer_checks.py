"""What an answer may hold: each check has one sentence for what is wrong."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError

from sessions_app.providers import Asked, Question
from sessions_app.providers.asked import MODES
from sessions_app.providers.requested import is_whole
from sessions_app.validation import printable, validate_text

WORDS_LIMIT = 100_000
"""Characters of one answer's words."""

INPUT_LIMIT = 1024 * 1024
"""Bytes of a changed input, as JSON."""


def check_allowable(asked: Asked) -> None:
    if not is_whole(asked):
        raise ValidationError("This does not say all that would run, so it can only be denied.")
    if asked.kind == "question":
        raise ValidationError("This is a question: answer it, or deny it.")


def changed_input(asked: Asked, input: Any) -> dict[str, Any]:
    """Only values may change, each to one of the same kind: a key that the tool does not know
    would be left out by it without a word."""
    if not asked.may_change:
        raise ValidationError("What is asked here cannot be changed: allow it or deny it.")
    changed = _as_json(input)
    if not isinstance(changed, dict) or not changed:
        raise ValidationError('The changed input must be an object, such as {"command": "ls"}.')
    for key, value in changed.items():
        if key not in asked.input:
            known = ", ".join(map(printable, asked.input)) or "nothing"
            raise ValidationError(
                f"The changed input has the key {printable(key)!r}; what was asked has: {known}."
            )
        if _kind(value) != _kind(asked.input[key]):
            kind = _kind(asked.input[key])
            raise ValidationError(f"{printable(key)!r} must be {kind}, as it was asked.")
    return changed


def _as_json(value: Any) -> Any:
    """The value as the agent will read it."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValidationError("The changed input is not JSON.") from None
    if len(text) > INPUT_LIMIT:
        raise ValidationError("The changed input is over 1 MiB: deny it, and say what to do.")
    read = json.loads(text)
    for part in _texts(read):
        validate_text("The changed input", part)
    return read


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            yield from value
            yield from _texts(list(value.values()))


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
    return "null"


def session_rules(asked: Asked) -> list[str]:
    if not asked.may_allow_session:
        raise ValidationError("This can be allowed only once.")
    return list(asked.rules)


def going_on(asked: Asked, mode: str) -> str:
    if asked.kind != "plan":
        raise ValidationError("Only a plan can be allowed with a way to go on.")
    if mode not in MODES:
        raise ValidationError(f"{printable(str(mode))!r} is no way to go on: {' or '.join(MODES)}.")
    return mode


# --- what may be replied ---------------------------------------------------------


def replies(asked: Asked, answers: Any) -> dict[str, list[str]]:
    if not asked.questions:
        raise ValidationError("This asks nothing that can be answered: deny it.")
    keys = {question.key for question in asked.questions}
    if not isinstance(answers, Mapping) or set(answers) != keys:
        what = "the question" if len(keys) == 1 else f"each of the {len(keys)} questions"
        raise ValidationError(f"Answer {what}, and nothing else.")
    return {
        question.key: check_reply(question, answers[question.key]) for question in asked.questions
    }


def check_reply(question: Question, chosen: Any) -> list[str]:
    """The answer to one question, as a list."""
    words = [chosen] if isinstance(chosen, str) else chosen
    name = printable(question.text)
    if not isinstance(words, list) or not words or not all(map(_is_text, words)):
        raise ValidationError(f"Choose or type an answer to {name!r}.")
    if len(words) > 1 and not question.takes_several:
        raise ValidationError(f"Choose one answer to {name!r}.")
    for text in words:
        check_words(text)
    labels = [choice.label for choice in question.choices]
    unknown = [text for text in words if text not in labels]
    if unknown and not question.takes_text:
        raise ValidationError(f"{printable(unknown[0])!r} is not one of the choices of {name!r}.")
    if len(unknown) > 1:
        raise ValidationError(f"Type one answer of your own to {name!r}.")
    return list(words)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def check_words(text: Any) -> None:
    if not isinstance(text, str):
        raise ValidationError("The answer must be text.")
    validate_text("The answer", text)
    if len(text) > WORDS_LIMIT:
        raise ValidationError(f"The answer is too long: use at most {WORDS_LIMIT:,} characters.")
