"""A picture in words, for a terminal, a list, and those who do not see it."""

from sessions_app.providers.shapes import Image


def described(image: Image) -> str:
    """What kind of picture it is and how large, or where it lies."""
    if image.media_type:
        return f"{image.media_type}, {_size(image.size)}"
    if image.size:
        claim = f" (it claims to be {image.claimed[:50]})" if image.claimed else ""
        return f"image, {_size(image.size)}, of a type or size that is not shown{claim}"
    return f"image at {image.url}" if image.url else "image without its content"


def _size(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
