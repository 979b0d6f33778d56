"""What the agent of a session is just writing, and how a page that follows it is kept up to it."""

from dataclasses import dataclass
from typing import Any

from jobs_app.models import JobDraft
from sessions_app.visible import visible

CUT = "…\n"
"""Stands for the beginning of a long text."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Of a long text its end: `start` is how many characters were written before it."""

    text: str = ""
    start: int = 0

    @property
    def shown(self) -> str:
        """All of it, for a page. Not escaped."""
        return (CUT if self.start else "") + visible(self.text)

    def news(self, sent: "Draft | None") -> dict[str, Any] | None:
        """What a page does that shows `sent`, or is not known what: `adds` the text to it, or
        shows it instead."""
        if self == sent:
            return None
        known = sent.text[max(0, self.start - sent.start) :] if sent else ""
        if sent and known and self.start >= sent.start and self.text.startswith(known):
            return {"adds": True, "text": visible(self.text[len(known) :])}
        return {"adds": False, "text": self.shown}


NONE = Draft()


def of_session(session_id: str) -> Draft:
    """What is being written now; an empty one for nothing."""
    drafts = JobDraft.objects.filter(session=session_id)
    found = drafts.order_by("-pk").values_list("text", "start").first()
    return Draft(*found) if found else NONE
