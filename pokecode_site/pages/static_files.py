"""Static files straight from the packages, by whitenoise."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


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
