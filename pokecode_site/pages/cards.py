"""A card: one request of an agent, for one person.

A person may allow only what was shown to them whole, so a card that has no room for all of it
has no button that allows it, and leads to the request's own page instead.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from jobs_app.admin.answer_form import AnswerForm
from jobs_app.answer_words import done, fate
from jobs_app.gists import READ_LIMIT, Sized
from jobs_app.models import JobRequest
from sessions_app.display.confined import Budget, render
from sessions_app.providers import Asked, requested
from sessions_app.providers.reading import pretty
from sessions_app.providers.requested import Part
from sessions_app.validation import validate_tools
from sessions_app.visible import visible

SHOWN_ON_CARD = 250_000
"""Characters of the longest request that a card in the conversation shows whole."""

SHOWN_ON_ITS_PAGE = 20_000_000
"""Characters of the longest request that can be read, and so be allowed, at all."""

DIFF_LINES = 3_000
"""Lines of a change that is shown as lines; a longer one is shown as the text that came."""

MARKDOWN_LIMIT = 20_000
EDITED_LIMIT = 50_000
"""Characters of the longest input that can be changed on a page."""

TALL = 15
"""Lines of a text beyond which a person is told how much there is to scroll through."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A part as a card shows it; `size` tells how much a tall one holds."""

    label: str
    text: str
    lines: tuple[Any, ...] = ()
    size: str = ""


@dataclass
class Card:
    """One request, for one person. `room` is how many characters of it may be shown."""

    sized: Sized
    may_answer: bool
    room: int = SHOWN_ON_CARD
    form: AnswerForm | None = None
    budget: Budget = field(default_factory=Budget)

    @property
    def request(self) -> JobRequest:
        return self.sized.request

    @property
    def id(self) -> str:
        return f"request-{self.request.pk}"

    @property
    def key(self) -> str:
        return self.asked.key if self.is_read else ""

    @property
    def state(self) -> str:
        return state(self.request, self.may_answer)

    @property
    def size(self) -> int:
        """Characters of the request as it came."""
        return self.sized.size

    @property
    def fits(self) -> bool:
        """Whether the card has room for all of it."""
        return self.size <= self.room

    @property
    def is_read(self) -> bool:
        """Whether it is read for this card at all."""
        return self.fits or self.size <= READ_LIMIT

    @property
    def is_readable(self) -> bool:
        """Whether a person can read it on its own page."""
        return self.size <= SHOWN_ON_ITS_PAGE

    @cached_property
    def asked(self) -> Asked:
        return self.request.asked

    @property
    def is_whole(self) -> bool:
        """Whether all that would run is on the card."""
        return self.fits and requested.is_whole(self.asked)

    @property
    def answer_form(self) -> AnswerForm:
        return self.form or AnswerForm(self.request)

    @property
    def who(self) -> str:
        agent = self.request.session.get_provider_display()
        is_helper = self.is_read and self.asked.agent_id
        return f"A sub-agent of {agent}" if is_helper else agent

    @property
    def wish(self) -> str:
        return visible(requested.wish(self.asked)) if self.is_read else "asks something long"

    @property
    def gist(self) -> str:
        return self.sized.gist

    @property
    def parts(self) -> list[Shown]:
        if self.asked.kind != "permission":
            return []
        return [_shown(part) for part in self._parts]

    @cached_property
    def _parts(self) -> list[Part]:
        found = requested.parts(self.asked)
        if sum(len(part.lines) for part in found) > DIFF_LINES:
            return [Part("With", pretty(self.asked.input))]
        return found

    @property
    def raw(self) -> str:
        """The input as JSON, where the card shows changes as lines, without their last newline."""
        has_lines = self.asked.kind == "permission" and any(part.lines for part in self._parts)
        return visible(pretty(self.asked.input)) if has_lines else ""

    @property
    def plan(self) -> SafeString | None:
        """Rendered, unless it is long: then it is shown as text."""
        text = self.asked.plan
        return render(visible(text), self.budget) if len(text) <= MARKDOWN_LIMIT else None

    @property
    def plan_text(self) -> str:
        return visible(self.asked.plan)

    @property
    def rules(self) -> list[str] | None:
        """What "for this session" would allow, literally; None where that is not offered. Codex
        names no rules: it keeps count of what was allowed itself."""
        asked = self.asked
        if not asked.may_allow_session:
            return None
        with suppress(ValidationError):
            validate_tools(list(asked.rules))
            return [visible(rule) for rule in asked.rules]
        return None  # a session's list of tools cannot hold them

    @property
    def may_change(self) -> bool:
        return self.asked.may_change and len(pretty(self.asked.input)) <= EDITED_LIMIT

    @property
    def done(self) -> str:
        return done(self.request.kind, self.request.given)

    @property
    def fate(self) -> str:
        return fate(self.request)

    @property
    def changed(self) -> list[Shown]:
        """What was allowed instead of what was asked."""
        changed = self.request.given.get("input")
        if not isinstance(changed, dict) or not self.is_read:
            return []
        return [_shown(part) for part in requested.parts(self.asked.changed(changed))]

    @property
    def replies(self) -> list[tuple[str, str]]:
        """The questions and what was answered; what is secret stays so."""
        given = self.request.given.get("answers")
        told = given if isinstance(given, dict) else {}
        return [
            (visible(each.text), "•••" if each.is_secret else _told(told.get(each.key)))
            for each in self.asked.questions
        ]

    @property
    def reason(self) -> str:
        return visible(self.asked.reason)

    @property
    def words(self) -> str:
        """What a person said to the agent with a denial."""
        return visible(str(self.request.given.get("why", "")))

    def html(self, request: HttpRequest, **context: Any) -> str:
        return render_to_string(
            "pokecode_site/request_card.html", {"card": self, **context}, request
        )


def _told(answers: Any) -> str:
    return visible(", ".join(map(str, answers))) if isinstance(answers, list) else "—"


def _shown(part: Part) -> Shown:
    count = len(part.lines) or part.text.count("\n") + 1
    characters = len(part.text) + sum(len(line.text) + 1 for line in part.lines)
    is_tall = count > TALL or characters > 80 * TALL
    size = f"{count:,} line{'s' * (count != 1)}, {characters:,} characters"
    lines = tuple(replace(line, text=visible(line.text)) for line in part.lines)
    return Shown(visible(part.label), visible(part.text), lines, size if is_tall else "")


def state(request: JobRequest, may_answer: bool) -> str:
    """Changes whenever a card would show something else."""
    if request.is_open:
        return "open" if may_answer else "watched"
    if request.closed_at is None:
        return "answered"
    return f"closed {request.closed_why}".replace(" ", "-")
