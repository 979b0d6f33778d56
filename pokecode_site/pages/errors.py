"""Answers to requests that fail: a sentence that says what to do, where there is one."""

import sys

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from pokecode_site.conf import database
from sessions_app.validation import PROMPT_TOO_LONG


def server_error(request: HttpRequest) -> HttpResponse:
    """503 and what to do while the database is locked, full or away; otherwise Django's own 500."""
    error = sys.exc_info()[1]
    sentence = database.explain(error) if isinstance(error, DatabaseError) else None
    if sentence is None:
        return defaults.server_error(request)
    return _plain(sentence, 503)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """413 for a request that only a far too long prompt can be; otherwise Django's own 400."""
    if isinstance(exception, RequestDataTooBig):
        return _plain(PROMPT_TOO_LONG, 413)
    return defaults.bad_request(request, exception)


def _plain(sentence: str, status: int) -> HttpResponse:
    return HttpResponse(f"{sentence}\n", content_type="text/plain; charset=utf-8", status=status)
