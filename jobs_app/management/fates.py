"""What became of the requests in a conversation, for those who print it."""

from collections.abc import Iterable, Iterator

from jobs_app.management.requests import state
from jobs_app.models import JobRequest
from sessions_app.models import SessionMessage
from sessions_app.providers.shapes import Notice, Request, Shape


class Fates:
    """Watches one conversation as it is printed: see `told`."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._read: set[str] = set()
        self._by_key: dict[str, str] = {}

    def told(self, message: SessionMessage, shapes: Iterable[Shape]) -> Iterator[Shape]:
        """The message's shapes, and after each request who has answered it how; where nobody had,
        that is told before the first message after the answer."""
        yield from self._answered_since()
        for shape in shapes:
            yield shape
            if isinstance(shape, Request):
                yield from map(self._note, self._rows(message, shape.key))

    def _answered_since(self) -> Iterator[Shape]:
        if not self._open:
            return
        ended = [row for row in _without_texts(self._open) if not row.is_open]
        for row in ended:
            self._open.remove(row.pk)
            yield self._note(row)

    def _note(self, row: JobRequest) -> Notice:
        if row.is_open:
            self._open.append(row.pk)
        return Notice(state(row))

    def _rows(self, message: SessionMessage, key: str) -> Iterable[JobRequest]:
        if key not in self._by_key:
            self._read_those_around(message)
        return _without_texts([self._by_key[key]]) if key in self._by_key else []

    def _read_those_around(self, message: SessionMessage) -> None:
        """Each is read once: it may be megabytes."""
        came = message.created_at
        rows = JobRequest.objects.filter(session=message.session_id).asked_about(came, came)
        new = set(rows.values_list("pk", flat=True)) - self._read
        self._read |= new
        found = JobRequest.objects.filter(pk__in=new).select_related("session").order_by("pk")
        for row in found.iterator(1):
            self._by_key.setdefault(row.asked.key, row.pk)


def _without_texts(pks: list[str]) -> Iterable[JobRequest]:
    rows = JobRequest.objects.filter(pk__in=pks).order_by("pk")
    return rows.defer("content_data", "call_data")
