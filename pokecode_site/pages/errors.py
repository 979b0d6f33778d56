"""The page for an unexpected error: for trouble with the database, a sentence that says so."""

import sys

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from pokecode_site.conf import database


def server_error(request: HttpRequest) -> HttpResponse:
    """503 and what to do while the database is locked, full or away; otherwise Django's own 500."""
    error = sys.exc_info()[1]
    sentence = database.explain(error) if isinstance(error, DatabaseError) else None
    if sentence is None:
        return defaults.server_error(request)
    return HttpResponse(f"{sentence}\n", content_type="text/plain; charset=utf-8", status=503)
