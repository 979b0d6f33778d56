"""What waits for a person, whichever session it is in: the inbox, its count, notifications."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.functional import cached_property

from jobs_app.answers import may_answer
from jobs_app.gists import sized, with_sizes
from jobs_app.models import JobRequest
from sessions_app.display.html import page_url
from sessions_app.models import Session
from sessions_app.visible import visible

WAITING_SHOWN = 20
COUNT_LIMIT = 99
NOTIFIED_AT_ONCE = 5
NOTIFIED = {
    "permission": "The agent asks for a permission.",
    "question": "The agent has a question.",
    "plan": "The agent has made a plan.",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line of the inbox."""

    request: JobRequest
    gist: str

    @property
    def url(self) -> str:
        return f"{page_url(Session, self.request.session_id)}#request-{self.request.pk}"


class Inbox:
    """What waits for one person; asked of the database only where a page shows it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def is_mine(self) -> bool:
        """Whether this person is one who answers."""
        user = self._request.user
        return may_answer(user) and user.has_perm("sessions_app.view_session")

    @cached_property
    def _counted(self) -> int:
        return JobRequest.objects.unanswered()[: COUNT_LIMIT + 1].count() if self.is_mine else 0

    @property
    def count(self) -> str:
        """ "" for none."""
        many = f"{COUNT_LIMIT}+" if self._counted > COUNT_LIMIT else str(self._counted)
        return many if self._counted else ""

    @cached_property
    def waiting(self) -> list[Waiting]:
        if not self.is_mine:
            return []
        rows = with_sizes(JobRequest.objects.unanswered()).order_by("pk")
        return [Waiting(each.request, each.gist) for each in sized(rows[:WAITING_SHOWN])]

    @property
    def more(self) -> int:
        return max(0, self._counted - WAITING_SHOWN)

    def newest(self) -> list[dict[str, str]]:
        """For notifications, which hold nothing that an agent has written."""
        told = "kind", "session_id", "session__name"
        waiting = JobRequest.objects.unanswered().select_related("session")
        rows = waiting.only(*told).order_by("-pk")
        return [_notification(row) for row in rows[:NOTIFIED_AT_ONCE]] if self.is_mine else []


def _notification(row: JobRequest) -> dict[str, str]:
    return {
        "id": row.pk,
        "title": visible(row.session.name),
        "text": NOTIFIED.get(row.kind, "The agent asks something."),
        "url": Waiting(row, "").url,
    }
