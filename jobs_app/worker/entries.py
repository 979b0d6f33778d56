"""What runs leave for the recorder, as a backlog keeps it in a file."""

import json
from collections import Counter
from dataclasses import fields
from operator import attrgetter

from jobs_app.leases import Entry
from jobs_app.models import JobAttempt
from sessions_app.transcript import NewMessage

values = attrgetter(*(field.name for field in fields(NewMessage)))


class EntryForm:
    """Messages as JSON, the few other entries by number. See agents.backlog.Form."""

    def __init__(self) -> None:
        self._attempts: dict[str, JobAttempt] = {}
        self._messages: Counter[str] = Counter()
        self._others: dict[int, Entry] = {}
        self._numbered = 0

    def size(self, entry: Entry) -> int:
        return len(entry.item.content) if isinstance(entry.item, NewMessage) else 0

    def write(self, entry: Entry) -> bytes:
        if isinstance(entry.item, NewMessage):
            self._attempts[entry.attempt.id] = entry.attempt
            self._messages[entry.attempt.id] += 1
            return json.dumps([entry.attempt.id, *values(entry.item)]).encode()
        self._numbered += 1
        self._others[self._numbered] = entry
        return json.dumps([self._numbered]).encode()

    def read(self, data: bytes) -> Entry:
        first, *message = json.loads(data)
        if not message:
            return self._others.pop(first)
        entry = Entry(self._attempts[first], NewMessage(*message))
        self._messages[first] -= 1
        if not self._messages[first]:
            del self._messages[first], self._attempts[first]
        return entry
