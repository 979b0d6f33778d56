"""How a command ends when what a person asked for is refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from sessions_app.validation import sentences


@contextmanager
def refusals_end_the_command() -> Iterator[None]:
    """With the sentences of the refusal, and no traceback."""
    try:
        yield
    except ValidationError as refusal:
        raise CommandError(sentences(refusal)) from None
