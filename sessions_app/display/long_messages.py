"""Messages of megabytes on a page: parsed only where nearly all of it is pictures."""

import re

from django.db.models import QuerySet
from django.db.models.functions import Substr

from sessions_app.models import SessionMessage

LARGEST = 1_000_000
"""Characters beyond which a message is not parsed for a page."""

LARGEST_WITH_PICTURES = 40_000_000
"""Characters of the longest message whose pictures are shown."""

READ_FOR_A_PAGE = 100_000_000
"""Characters of messages with pictures that are read for one page: about a second."""

PICTURE = re.compile(
    r'"(?:data|blob|base64|url|image_url|imageUrl)"\s*:\s*'
    r'"(?:data:[^",]{0,100},)?[A-Za-z0-9+/=]{10000,}'
)
"""The fields of a message that hold a picture's bytes."""


def beginnings(rows: "QuerySet[SessionMessage]") -> "QuerySet[SessionMessage]":
    """The rows with only the beginning of their content, for `Reader.content`."""
    return rows.defer("content_data").annotate(beginning=Substr("content_data", 1, LARGEST + 1))


class Reader:
    """Reads what one page shows of its messages."""

    def __init__(self) -> None:
        self._left = READ_FOR_A_PAGE

    def content(self, message: SessionMessage) -> str | None:
        """The content of one of the `beginnings`; None where a page has no room for it."""
        beginning: str = message.beginning  # type: ignore[attr-defined]
        if len(beginning) <= LARGEST:
            return beginning
        if self._left <= 0 or not PICTURE.search(beginning):
            return None
        content = _whole(message)
        self._left -= len(content)
        bytes_of_pictures = sum(len(found[0]) for found in PICTURE.finditer(content))
        is_small = len(content) - bytes_of_pictures <= LARGEST
        return content if is_small and len(content) <= LARGEST_WITH_PICTURES else None


def _whole(message: SessionMessage) -> str:
    rows = SessionMessage.objects.filter(pk=message.pk)
    start = Substr("content_data", 1, LARGEST_WITH_PICTURES + 1)
    return rows.annotate(start=start).values_list("start", flat=True).first() or ""
