"""What agents ask, on the page of their session: its cards, and what is sent from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from jobs_app.admin.answer_form import AnswerForm
from jobs_app.answer_words import done
from jobs_app.answers import may_answer
from jobs_app.gists import Sized, sized, with_sizes
from jobs_app.models import JobRequest
from pokecode_site.pages.cards import SHOWN_ON_CARD, SHOWN_ON_ITS_PAGE, Card, state
from pokecode_site.pages.inbox import WAITING_SHOWN
from sessions_app.admin.base import log_changes, may_read_messages
from sessions_app.display.conversation import Entry
from sessions_app.models import Session
from sessions_app.providers.shapes import Request
from sessions_app.visible import visible

SHOWN_IN_CONVERSATION = 1_000_000
"""Characters of all cards there, after which the others lead to pages of their own."""

RECENT = 200
"""The newest requests of a session, whose cards follow what becomes of them."""


def may_see(request: HttpRequest) -> bool:
    """Who is to answer has to see what is asked."""
    return may_answer(request.user) or may_read_messages(request)


def card(request: HttpRequest, found: Sized, **options: Any) -> Card:
    return Card(found, may_answer(request.user), **options)


@dataclass
class Cards:
    """The cards of one part of a conversation: those that stand beside an entry, and those that
    still wait and have none."""

    by_key: dict[str, Card]
    others: list[Card]

    def beside(self, entry: Entry) -> Card | None:
        """The card that takes this entry's place."""
        return self.by_key.get(entry.shape.key) if isinstance(entry.shape, Request) else None


def cards_of(
    request: HttpRequest, session: Session, entries: Iterable[Entry], form: AnswerForm | None
) -> Cards:
    """`form` is one that was sent and refused: its card says why, and holds what was typed."""
    if not may_see(request):
        return Cards({}, [])
    asking = [entry for entry in entries if entry.kind == "request"]
    found = {each.request.pk: each for each in _beside(session, asking)}
    found |= {each.request.pk: each for each in _waiting(session)}
    keys = {entry.shape.key for entry in asking if isinstance(entry.shape, Request)}
    by_key, others, left = {}, [], SHOWN_IN_CONVERSATION
    for pk in sorted(found):
        one = card(request, found[pk], room=min(SHOWN_ON_CARD, left))
        left -= one.size if one.fits else 0
        one.form = form if form is not None and form.request.pk == pk else None
        if one.key in keys:
            by_key[one.key] = one
        elif one.request.closed_at is None:
            others.append(one)
    return Cards(by_key, others)


def _beside(session: Session, asking: list[Entry]) -> Iterable[Sized]:
    if not asking:
        return []
    times = [entry.at for entry in asking]
    rows = JobRequest.objects.filter(session=session).asked_about(min(times), max(times))
    return sized(with_sizes(rows).order_by("-pk")[:RECENT])


def _waiting(session: Session) -> Iterable[Sized]:
    rows = JobRequest.objects.filter(session=session, closed_at=None)
    return sized(with_sizes(rows).order_by("pk")[:WAITING_SHOWN])


def states(request: HttpRequest, session: Session) -> dict[str, str]:
    """Id -> state of the session's newest requests, for pages that follow them."""
    if not may_see(request):
        return {}
    rows = JobRequest.objects.filter(session=session).order_by("-pk")
    found = rows.only("answered_at", "closed_at", "closed_why")[:RECENT]
    return {row.pk: state(row, may_answer(request.user)) for row in found}


def cards_html(request: HttpRequest, session: Session, pks: list[str]) -> list[str]:
    """The cards of these requests, at most `WAITING_SHOWN`."""
    if not pks:
        return []
    rows = with_sizes(JobRequest.objects.filter(session=session, pk__in=pks[:WAITING_SHOWN]))
    return [card(request, each).html(request) for each in sized(rows.order_by("pk"))]


def waiting_jobs(session: Session) -> set[str]:
    """The session's jobs that wait for a person."""
    asked = JobRequest.objects.unanswered().filter(session=session)
    return set(asked.values_list("job_id", flat=True))


# --- one request ------------------------------------------------------------------------


def find(request: HttpRequest, session: Session, pk: str) -> Sized:
    if not may_see(request):
        raise PermissionDenied
    found = _now(pk, session=session)
    if found is None:
        raise Http404
    return found


def _now(pk: str, **which: Any) -> Sized | None:
    return next(sized(with_sizes(JobRequest.objects.filter(pk=pk, **which))), None)


def page(model_admin: "ModelAdmin[Session]", request: HttpRequest, found: Sized) -> HttpResponse:
    """The request whole, on a page of its own; with `?card`, its card alone."""
    if "card" in request.GET:
        return HttpResponse(card(request, found).html(request))
    whole = card(request, found, room=SHOWN_ON_ITS_PAGE)
    session = found.request.session
    context = {**model_admin.admin_site.each_context(request), "card": whole, "session": session}
    context["title"] = f"{visible(session.name)}: what the agent asks"
    return render(request, "pokecode_site/request_page.html", context)


def give(request: HttpRequest, form: AnswerForm) -> bool:
    """Give the answer, and note in the log who gave it."""
    given = form.give(request.user.get_username())
    if given:
        [now] = sized(with_sizes(JobRequest.objects.filter(pk=form.request.pk)))
        told = done(now.request.kind, now.request.given)
        log_changes(request, [now.request], f"{told[0].upper()}{told[1:]}: {now.gist}")
    return given


def answer_in_place(request: HttpRequest, pk: str, error: str) -> JsonResponse:
    """For a card that waits for what became of its answer: itself, as it is now."""
    now = _now(pk)
    html = card(request, now).html(request, error=error) if now else ""
    return JsonResponse({"card": html, "error": error})


def wants_card(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def errors(form: AnswerForm) -> str:
    return " ".join(str(error) for found in form.errors.values() for error in found)
