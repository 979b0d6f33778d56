"""How an agent's end is judged: what the two tools have in common."""

import re
import signal
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from jobs_app.agents.base import Denials, Turn
from jobs_app.agents.limits import LIMIT_WORDS, limit_end
from jobs_app.outcomes import Outcome, Verdict
from sessions_app.validation import printable

DETAIL_LIMIT = 4000
QUOTE_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Signs:
    """What a tool said about its failure: its words, an HTTP status, and its own codes.
    `limited_until` is when a usage limit ends, if an event said so."""

    text: str
    status: int | None = None
    codes: Sequence[str] = ()
    limited_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of failure, recognized by a status, a code or words. `sentence` is for a person; it
    may name {tool}, {model}, {conversation}, {until} and {words}, the tool's own short words."""

    sentence: str
    pattern: str | None = None
    statuses: Container[int] = ()
    codes: Sequence[str] = ()
    permanent: bool = True
    outcome: Outcome = Outcome.FAILED
    lost_conversation: bool = False

    def fits(self, signs: Signs) -> bool:
        return (
            (signs.status is not None and signs.status in self.statuses)
            or any(code in self.codes for code in signs.codes)
            or bool(self.pattern and re.search(self.pattern, signs.text, re.IGNORECASE))
        )


TOO_LONG = "The conversation is too long for the model: shorten the prompt or start a new session."
ANSWER_TOO_LONG = "The model's answer was cut off at the maximum length: ask for less at once."
UNKNOWN_MODEL = "{tool} cannot use {model}: choose another model."
CONVERSATION_GONE = (
    "The conversation {conversation} is no longer on this host, so it cannot continue: "
    "start a new session."
)
NO_CREDIT = "The account of {tool} on this host has no credit left: see its billing ({words})."
REFUSED_REQUEST = "The model's server refused the request: {words}."

USAGE_LIMIT = Rule(
    "{tool} has reached a usage limit{until}: {words}.",
    pattern=LIMIT_WORDS,
    statuses=(429,),
    codes=(
        "rate_limit",
        "rate_limit_error",
        "rate_limit_exceeded",
        "usage_limit_exceeded",
        "usage_limit_reached",
    ),
    permanent=False,
    outcome=Outcome.RATE_LIMITED,
)
SERVER_FAULT = Rule(
    "The model's server failed, which is usually temporary: {words}.",
    pattern="high demand|overloaded",
    statuses=range(500, 600),
    codes=("server_error", "overloaded"),
    permanent=False,
)
UNKNOWN = Rule("{tool} failed: {words}.", permanent=False)
NOT_STARTED = Rule("{tool} refused to start: {words}.")


def failure(
    rules: Iterable[Rule], signs: Signs, tool: str, turn: Turn, otherwise: Rule = UNKNOWN
) -> Verdict:
    """The verdict of the first rule that fits."""
    rule = next((rule for rule in rules if rule.fits(signs)), otherwise)
    until = None
    if rule.outcome is Outcome.RATE_LIMITED:
        until = signs.limited_until or limit_end(signs.text, timezone.now())
    sentence = rule.sentence.format(
        tool=tool,
        model=f"the model {turn.model}" if turn.model else "its default model",
        conversation=turn.resume or "",
        until=f" until {until:%Y-%m-%d %H:%M %Z}" if until else "",
        words=quoted(signs.text),
    )
    gone = turn.resume if rule.lost_conversation else None
    detail = signs.text[:DETAIL_LIMIT]
    return Verdict(rule.outcome, sentence, rule.permanent, until, detail, lost_conversation=gone)


def quoted(text: str) -> str:
    """A tool's own words in one short, printable line."""
    return printable(" ".join(text.split()), QUOTE_LIMIT).rstrip(".") or "no reason given"


def success(denials: Denials, tool: str, exit_code: int) -> Verdict:
    """The verdict on a reported success, whatever the exit code: it is never run again."""
    end = unexplained(exit_code)
    note = f"{tool} reported success and then {end}." if exit_code else None
    return Verdict(Outcome.SUCCEEDED, denials.sentence(), note=note)


def without_result(
    rules: Iterable[Rule], exit_code: int, stderr: str, tool: str, turn: Turn, otherwise: Rule
) -> Verdict:
    """The verdict on an attempt that ended by itself and gave no result.

    `rules` recognize words on standard error: by themselves these do not mean a
    failure, but here they explain one. `otherwise` is for words that no rule recognizes.
    """
    if exit_code in (1, 2) and stderr.strip():
        return failure(rules, Signs(_complaint(stderr)), tool, turn, otherwise)
    sentence = f"{tool} {unexplained(exit_code)}."
    return Verdict(Outcome.FAILED, sentence, detail=stderr[-DETAIL_LIMIT:])


def _complaint(stderr: str) -> str:
    """The line that says what is wrong: the one marked as an error, otherwise the last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return re.sub(r"^error: *", "", (errors or lines)[-1], flags=re.IGNORECASE)


def unexplained(exit_code: int) -> str:
    """What an exit code alone tells. Shells and claude 2.1.330 give 128 + N for a signal, a killed
    process -N."""
    number = -exit_code if exit_code < 0 else exit_code - 128
    if number in set(signal.Signals):
        return f"was terminated from outside by {signal.Signals(number).name}"
    if exit_code:
        return f"ended with exit code {exit_code}"
    return "ended without a result"
