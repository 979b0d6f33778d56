"""The pictures in a message, from its stored bytes."""

from django.http import Http404, HttpResponse
from django.utils.cache import patch_cache_control

from sessions_app.display.long_messages import LARGEST_WITH_PICTURES
from sessions_app.models import SessionMessage
from sessions_app.providers import pictures
from sessions_app.providers.events import parse_stored

A_DAY = 24 * 60 * 60


def respond(message: SessionMessage, key: str) -> HttpResponse:
    """The picture with this key; to a browser it is never anything but a picture."""
    found = _find(message.content_data, key)
    if found is None:
        raise Http404
    media_type, content = found
    extension = media_type.removeprefix("image/")
    response = HttpResponse(content, content_type=media_type)
    response["Content-Disposition"] = f'inline; filename="{key}.{extension}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    patch_cache_control(response, private=True, max_age=A_DAY)
    return response


def _find(content: str, key: str) -> tuple[str, bytes] | None:
    if len(content) > LARGEST_WITH_PICTURES:
        return None
    try:
        return pictures.find(parse_stored(content), key)
    except RecursionError:
        return None
