"""The pictures in a message, from its stored bytes, and a prompt's images, from their files."""

from contextlib import suppress

from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.utils.cache import patch_cache_control

from sessions_app import image_files
from sessions_app.display.long_messages import LARGEST_WITH_PICTURES
from sessions_app.image_files import ImageFile
from sessions_app.models import SessionMessage
from sessions_app.providers import display_message, pictures
from sessions_app.providers.events import parse_stored
from sessions_app.providers.shapes import Prompt

A_DAY = 24 * 60 * 60


def respond(message: SessionMessage, key: str) -> HttpResponse:
    """The picture with this key."""
    found = _find(message.content_data, key) or _attached(message, key)
    if found is None:
        raise Http404
    return picture(*found, key)


def picture(media_type: str, content: bytes, key: str) -> HttpResponse:
    """An answer that to a browser is never anything but a picture."""
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


def _attached(message: SessionMessage, key: str) -> tuple[str, bytes] | None:
    """The image of a prompt, if its file is here and unchanged."""
    shapes = display_message(message.provider, message.type, message.content_data, "")
    prompts = (shape for shape in shapes if isinstance(shape, Prompt))
    for image in (image for prompt in prompts for image in prompt.images if image.key == key):
        with suppress(ValidationError):
            content = image_files.read(ImageFile(image.key, image.media_type, image.size))
            return image.media_type, content
    return None
