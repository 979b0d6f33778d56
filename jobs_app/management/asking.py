"""Asks the person at the terminal what a job's agent asks, while its transcript is followed."""

import re

from django.core.exceptions import ValidationError
from django.core.management.base import OutputWrapper

from jobs_app import answers
from jobs_app.answer_checks import check_reply
from jobs_app.management.requests import answered, chosen, read_input, state
from jobs_app.management.typed_lines import TypedLines
from jobs_app.models import Job, JobRequest
from sessions_app.display.terminal import put, safe, wants_colour
from sessions_app.display.terminal_requests import render_request
from sessions_app.providers import Asked, Question
from sessions_app.providers.asked import ACCEPT_EDITS, ASK_FOR_EDITS
from sessions_app.validation import sentences

SHOWN_LIMIT = 20_000
"""Characters of a request that are shown here; a longer one is looked at, and allowed, apart."""

NUMBERS = re.compile(r"\d{1,3}(\s*,\s*\d{1,3})+")
"""Several choices of one question."""

ONCE = "a        allow it once"
INSTEAD = "e JSON   allow it with this input instead"
APPROVE = "a        approve the plan, and be asked about edits"
APPROVE_EDITS = "e        approve the plan, and accept edits"
DENY = ["d WORDS  deny it; the words, if any, are told to the agent", "x        deny and stop it"]
NO_ANSWER = [f"/{line}" for line in DENY]


class RequestTerminal:
    """One request at a time, the oldest first. Its methods use the database."""

    def __init__(self, job: Job, stream: OutputWrapper, typed: TypedLines | None) -> None:
        """Without `typed` nobody can answer here."""
        self._job = job
        self._stream = stream
        self._typed = typed
        self._request: JobRequest | None = None
        self._is_whole = True
        self._replies: dict[str, list[str]] = {}

    def look(self) -> None:
        """Tell what became of the request that was shown, and show the next one."""
        if self._request is not None:
            self._look_again(self._request)
        if self._request is None:
            waiting = JobRequest.objects.unanswered().filter(job=self._job).order_by("pk")
            self._request = waiting.select_related("session").first()
            if self._request is not None:
                self._show(self._request)

    def take(self, line: str) -> None:
        """What the person has typed."""
        if self._request is None or not line.strip():
            return
        try:
            self._answer(self._request, self._request.asked, line.strip())
        except ValidationError as refusal:
            self._say(sentences(refusal))
        self.look()

    # --- showing ----------------------------------------------------------------

    def _look_again(self, shown: JobRequest) -> None:
        now = JobRequest.objects.filter(pk=shown.pk).first()
        if now is None or not now.is_open:
            self._say(f"< {_became(now)}")
            self._request, self._replies = None, {}

    def _show(self, request: JobRequest) -> None:
        if self._typed is not None:
            self._typed.drop()  # typed ahead, it is no answer to what nobody has read
        asked = request.asked
        text = render_request(asked, colour=False)
        self._is_whole = len(text) <= SHOWN_LIMIT
        if self._is_whole:
            put(self._stream, render_request(asked, colour=wants_colour(self._stream)))
        else:
            put(self._stream, f"{text[:SHOWN_LIMIT]}…\n")
            self._say(f"  That is not all of it: list_requests {request.pk} shows it.")
        for line in self._offers(request, asked):
            self._say(f"  {line}")
        self._ask_next(asked)

    def _offers(self, request: JobRequest, asked: Asked) -> list[str]:
        if self._typed is None or _is_secret(asked):
            return [f"It waits for answer_request {request.pk}"]
        match asked.kind:
            case "question":
                return NO_ANSWER
            case _ if not self._is_whole:
                return DENY
            case "plan":
                return [APPROVE, APPROVE_EDITS, *DENY]
        for_session = f"s        allow it for this session{_rules(asked)}"
        session = [for_session] if asked.may_allow_session else []
        return [ONCE, *session, *([INSTEAD] if asked.may_change else []), *DENY]

    def _ask_next(self, asked: Asked) -> None:
        """Of several questions, the one that the next line answers."""
        if self._typed is not None and len(asked.questions) > 1 and not _is_secret(asked):
            number = len(self._replies) + 1
            self._say(f"  Your answer to question {number} of {len(asked.questions)}:")

    def _say(self, line: str) -> None:
        put(self._stream, f"{safe(line)}\n")
        self._stream.flush()

    # --- answering ----------------------------------------------------------------

    def _answer(self, request: JobRequest, asked: Asked, line: str) -> None:
        if asked.kind == "question" and not line.startswith("/"):
            self._reply(request, asked, line)
            return
        word, _, rest = line.removeprefix("/").partition(" ")
        match word, asked.kind:
            case "d", _:
                answers.deny(request, why=rest)
            case "x", _ if not rest:
                answers.deny(request, stop=True)
            case (("a" | "e"), "plan") if self._is_whole and not rest:
                answers.allow(request, mode=ACCEPT_EDITS if word == "e" else ASK_FOR_EDITS)
            case (("a" | "s"), "permission") if self._is_whole and not rest:
                answers.allow(request, for_session=word == "s")
            case "e", "permission" if self._is_whole:
                answers.allow(request, input=read_input(rest))
            case _:
                raise ValidationError("That is none of the answers: type one of the letters above.")

    def _reply(self, request: JobRequest, asked: Asked, line: str) -> None:
        """The answer to the next question; once all have one, they are given together."""
        if _is_secret(asked):
            raise ValidationError(
                f"This is a secret: type it to answer_request {request.pk} answer"
            )
        question = asked.questions[len(self._replies)]
        self._replies[question.key] = check_reply(question, _words(question, line))
        if len(self._replies) < len(asked.questions):
            self._ask_next(asked)
        else:
            answers.reply(request, self._replies)


def _became(request: JobRequest | None) -> str:
    return (
        "This request no longer exists." if request is None else answered(request) or state(request)
    )


def _words(question: Question, line: str) -> list[str]:
    if question.takes_several and NUMBERS.fullmatch(line):
        return [chosen(question, number.strip()) for number in line.split(",")]
    return [chosen(question, line)]


def _is_secret(asked: Asked) -> bool:
    """Then it is not typed where the terminal shows it."""
    return any(question.is_secret for question in asked.questions)


def _rules(asked: Asked) -> str:
    return f": {', '.join(asked.rules)}" if asked.rules else ""
