"""Requests with values that no database or disk can hold: they find nothing, or get a sentence."""

import logging
from collections.abc import Callable

from django.contrib.admin.exceptions import DisallowedModelAdminToField
from django.core.exceptions import FieldDoesNotExist, TooManyFieldsSent
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponse, QueryDict

IMPOSSIBLE = "This request holds a value that cannot be, or too many: go back and correct it.\n"
REFUSALS = (DataError, OverflowError, DisallowedModelAdminToField, FieldDoesNotExist)
"""How the database, the calendar and the admin refuse a value that got past all checks."""

log = logging.getLogger(__name__)


class Utf8:
    """A request whose texts are UTF-8 whatever it claims: some encodings make surrogates and NULs
    of plain text, and some are none."""

    encoding = property(lambda self: "utf-8", lambda self, claimed: None)


class Utf8ASGIRequest(Utf8, ASGIRequest):
    """See `Utf8`."""


class Utf8WSGIRequest(Utf8, WSGIRequest):
    """See `Utf8`."""


class NonsenseGuard:
    """The one guard for all addresses. What is typed into a form's fields is the form's to refuse,
    which keeps the text."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.path, request.path_info = _clean(request.path), _clean(request.path_info)
        request.COOKIES = {name: _clean(value) for name, value in request.COOKIES.items()}
        try:
            request.GET = _clean_query(request.GET)  # type: ignore[assignment]
        except TooManyFieldsSent:
            return _refusal()
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, REFUSALS):
            return None
        log.warning("A request was refused: %s", str(error).partition("\n")[0])
        return _refusal()


def _refusal() -> HttpResponse:
    return HttpResponse(IMPOSSIBLE, content_type="text/plain; charset=utf-8", status=400)


def _clean(text: str) -> str:
    """Without NUL: with what stands for any other byte that is no text, and is in no row."""
    return text.replace("\0", "\ufffd")


def _clean_query(query: QueryDict) -> QueryDict:
    clean = QueryDict(mutable=True)
    for name, values in query.lists():
        clean.setlist(_clean(name), [_clean(value) for value in values])
    return clean
