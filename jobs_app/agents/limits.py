"""When a usage limit ends, as far as a tool tells.

Measured: "Request rejected (429)" of claude 2.1.330 and "exceeded retry limit,
last status: 429 Too Many Requests" of codex 0.169.0, which say no time. The forms
read here are those of the tools' public issue reports and their like:

    Claude AI usage limit reached|1764000000
    You've hit your limit · resets 3pm (Europe/Berlin)
    You've hit your weekly limit · resets Nov 28 at 4pm (America/Recife)
    You've hit your usage limit. ... try again at Nov 28th, 2026 4:15 AM.
    Rate limit reached ... Please try again in 6m0.5s
    {"error": {"type": "usage_limit_reached", "resets_at": 1764000000, "resets_in_seconds": 8}}
    {"status": "rejected", "resetsAt": 1764000000, "rateLimitType": "seven_day"}
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from jobs_app.agents.moments import named_moment

LONGEST = timedelta(days=31)
"""A limit that claims to last longer is not believed."""

LIMIT_WORDS = (
    r"rate.?limit|usage (?:limit|cap)|limit reached|too many requests|out of .{0,20}usage"
    r"|(?:hit|reached|exceeded|used up) (?:your|the) .{0,40}(?:hour|daily|weekly|session|usage) ?"
    r"limit|hit your .{0,40}limit|(?:hour|daily|weekly|monthly|session) limit (?:exceeded|is up)"
)

EPOCH = re.compile(
    r"(?:reached\||\b(?:again|resets?)(?:[_ ]?(?:at|on))?\W{1,3})(\d{10,13})\b", re.IGNORECASE
)
ANCHOR = re.compile(
    r"\b(?:again|resets?|resetting|retry(?:ing)?|wait|until|available|back|continue|lifted"
    r"|refresh(?:es|ed)?|renew(?:s|ed)?|restored|resumes?|(?<=reset-)(?:requests|tokens))\b",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"[!?;|·∙•\n]|\.(?=\s|$)")
DOTTED = re.compile(
    r"\b(?:([ap])\.\s?m\.|(jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
    r"|mon|tues?|wed|thu|thurs?|fri|sat|sun)\.)",
    re.IGNORECASE,
)
TEXT_LIMIT = 4000
"""Characters of a text that are looked through."""

WORDS_LIMIT = 80
"""Characters after a word such as "resets" in which the time is looked for."""

NAME_LIMIT = 100

RETRY_AFTER = re.compile(
    r"\bretry[-_ ]after(?P<unit>[-_ ]ms)?\W{1,3}(?P<number>\d+)\b(?!\s?[a-z:/-])", re.IGNORECASE
)
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

MOMENTS = ("resets_at", "resetsAt", "reset_at", "resetAt", "resets_at_ms")
WHILES = (
    "resets_in_seconds",
    "reset_after_seconds",
    "retry_after_seconds",
    "retry_after",
    "retryDelay",
)
MILLISECONDS = ("resets_in_ms", "retry_after_ms")
WRAPPERS = ("error", "detail", "details", "response", "body")
"""Fields in which the object that tells stands inside another."""

DEEPEST = 5
OBJECTS_LIMIT = 20
"""Objects in a text, or in a list, that are looked at."""


def limit_end(told: Any, now: datetime) -> datetime | None:
    """The moment at which a limit ends, in UTC: `told` is a tool's words, or an object of its own.

    Only what lies after `now` (aware) and within LONGEST is believed.
    """
    if isinstance(told, dict):
        return next(filter(None, _in_object(told, now)), None)
    if isinstance(told, str):
        return limit_end(embedded_object(told), now) or _in_words(told, now)
    return None


class Windows:
    """The windows of an account's limit, as `rate_limit_info` objects tell of them."""

    def __init__(self) -> None:
        self._ends: dict[str, datetime] = {}

    def tell(self, info: Any, now: datetime) -> None:
        """A rejected window stays one until it is told of anew, unless the account goes on
        beyond it."""
        if not isinstance(info, dict):
            return
        is_rejected = info.get("status") == "rejected" and info.get("isUsingOverage") is not True
        name = str(info.get("rateLimitType") or "")[:NAME_LIMIT]
        if name:
            self._ends.pop(name, None)
        if is_rejected and (end := limit_end(info, now)):
            self._ends[name] = max(end, self._ends.get(name, end))

    def end(self, now: datetime) -> datetime | None:
        """When the last of the rejected windows ends; one that still allows says nothing."""
        return max((end for end in self._ends.values() if end > now), default=None)


def embedded_object(text: str) -> dict[str, Any]:
    """The JSON object in a text, such as the body of a server's answer; empty without one."""
    for start in islice(re.finditer("{", text), OBJECTS_LIMIT):
        try:
            found = json.JSONDecoder().raw_decode(text, start.start())[0]
        except RecursionError:
            return {}
        except ValueError:
            continue
        return found if isinstance(found, dict) else {}
    return {}


def _in_object(told: dict[str, Any], now: datetime) -> Iterator[datetime | None]:
    """The exact fields first, the words last; of the object itself and of those inside it."""
    for data in _nested(told):
        for key in MOMENTS:
            yield _believed(_from_epoch(data.get(key)) or _from_date(data.get(key), now), now)
        for key in WHILES:
            yield _believed(_from_while(data.get(key), now), now)
        for key in MILLISECONDS:
            yield _believed(_from_seconds(data.get(key), now, 1000), now)
        if isinstance(words := data.get("message"), str):
            yield limit_end(words, now)


def _nested(told: dict[str, Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    yield told
    for key in WRAPPERS:
        held = told.get(key)
        for inner in held[:OBJECTS_LIMIT] if isinstance(held, list) else [held]:
            if isinstance(inner, dict) and depth < DEEPEST:
                yield from _nested(inner, depth + 1)


def _in_words(text: str, now: datetime) -> datetime | None:
    """The last of the moments that a text names."""
    start = ESCAPES.sub("", text[:TEXT_LIMIT])
    found = (_believed(moment, now) for read in READERS for moment in read(start, now))
    return max(filter(None, found), default=None)


def _believed(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and now < moment <= now + LONGEST else None


def _epochs(text: str, now: datetime) -> Iterator[datetime | None]:
    return (_from_epoch(found[1]) for found in EPOCH.finditer(text))


def _retry_after(text: str, now: datetime) -> Iterator[datetime | None]:
    return (
        _from_seconds(found["number"], now, 1000 if found["unit"] else 1)
        for found in RETRY_AFTER.finditer(text)
    )


def _named(text: str, now: datetime) -> Iterator[datetime | None]:
    plain = DOTTED.sub(lambda found: f"{found[1]}m" if found[1] else found[2], text)
    for anchor in ANCHOR.finditer(plain):
        words = plain[anchor.end() : anchor.end() + WORDS_LIMIT]
        yield named_moment(SENTENCE_END.split(words, maxsplit=1)[0], now)


READERS = (_epochs, _retry_after, _named)


def _from_epoch(value: Any) -> datetime | None:
    """A moment from seconds or milliseconds since 1970, None for anything else."""
    number = _number(value)
    if number is None or not 10**9 <= number < 10**13:
        return None
    return datetime.fromtimestamp(number / 1000 if number >= 10**11 else number, UTC)


def _from_date(value: Any, now: datetime) -> datetime | None:
    return named_moment(value[:WORDS_LIMIT], now) if isinstance(value, str) else None


def _from_while(value: Any, now: datetime) -> datetime | None:
    """A number of seconds, or words such as "34s"."""
    return _from_seconds(value, now) or _from_date(value, now)


def _from_seconds(value: Any, now: datetime, parts: int = 1) -> datetime | None:
    """So many seconds from now; `parts` is how many of the unit make a second."""
    number = _number(value)
    if number is None or not 0 < number < 10**11:
        return None
    seconds = number / parts
    return now + timedelta(seconds=seconds) if seconds < 10**8 else None


def _number(value: Any) -> float | None:
    if isinstance(value, str) and re.fullmatch(r"\d{1,13}(?:\.\d{1,9})?", value):
        return float(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
