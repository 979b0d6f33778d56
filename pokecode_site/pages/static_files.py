"""Static files straight from the packages, by whitenoise, below any path that a proxy serves."""

from typing import Any

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(StaticFilesStorage):
    """Gives addresses below the request's root path; `STATIC_URL` is fixed before the first one."""

    def url(self, name: str | None) -> str:
        return get_script_prefix() + super().url(name).removeprefix("/")


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """Whitenoise, answering with the whole file: under ASGI a streamed one causes a warning."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        response = HttpResponse(status=int(found.status))
        del response["Content-Type"]  # "not modified", for one, has none
        if found.file:
            with found.file:
                response.content = found.file.read()
        for key, value in found.headers:
            response[key] = value
        return response
