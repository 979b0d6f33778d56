"""When a usage limit ends, as far as a tool's words say.

Measured: "Request rejected (429)" of claude 2.1.330 and "exceeded retry limit,
last status: 429 Too Many Requests" of codex 0.169.0, which say no time. All forms
read here are assumed, from the tools' public issue reports:

    Claude AI usage limit reached|1764000000
    You've hit your limit · resets 3pm (Europe/Berlin)
    You've hit your usage limit. ... try again at 3:05 PM.
    Rate limit reached ... Please try again in 6m0.5s
    ... or try again in 2 days 3 hours 5 minutes
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

LONGEST = timedelta(days=31)
"""A limit that claims to last longer is not believed."""

LIMIT_WORDS = r"rate.?limit|usage limit|limit reached|hit your .{0,40}limit"

EPOCH = re.compile(r"limit reached\|(\d{10,13})\b")
CLOCK = re.compile(
    r"\b(?:again at|resets(?: at)?) (\d{1,2})(?::(\d{2}))? ?([ap])\.?m\b(?:\.? ?\(([\w/+-]+)\))?",
    re.IGNORECASE,
)
IN_A_WHILE = re.compile(r"\bagain in ((?:[\d.]+ ?[a-z]+[ ,]*)+)", re.IGNORECASE)
AMOUNT = re.compile(r"(\d+(?:\.\d+)?) ?(ms|[dhms])[a-z]*", re.IGNORECASE)
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def retry_at(text: str, now: datetime) -> datetime | None:
    """The moment that a text names, if it is after `now` (aware) and within LONGEST."""
    moment = _epoch(text) or _after_a_while(text, now) or _clock(text, now)
    return plausible(moment, now)


def plausible(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and now < moment <= now + LONGEST else None


def from_epoch(seconds: object) -> datetime | None:
    """A moment from seconds or milliseconds since 1970, None for anything else."""
    if not isinstance(seconds, int | float) or not 10**9 <= seconds < 10**13:
        return None
    return datetime.fromtimestamp(seconds / 1000 if seconds >= 10**11 else seconds, UTC)


def _epoch(text: str) -> datetime | None:
    found = EPOCH.search(text)
    return from_epoch(int(found[1])) if found else None


def _after_a_while(text: str, now: datetime) -> datetime | None:
    found = IN_A_WHILE.search(text)
    if not found:
        return None
    amounts = AMOUNT.findall(found[1])
    seconds = sum(float(number) * SECONDS[unit.lower()] for number, unit in amounts)
    return now + timedelta(seconds=seconds) if 0 < seconds < 10**8 else None


def _clock(text: str, now: datetime) -> datetime | None:
    """The next time that a clock shows this hour, in the named zone or else the host's."""
    found = CLOCK.search(text)
    if not found or not 1 <= int(found[1]) <= 12 or int(found[2] or 0) > 59:
        return None
    hour = int(found[1]) % 12 + (12 if found[3].lower() == "p" else 0)
    local = now.astimezone(_zone(found[4]))
    moment = local.replace(hour=hour, minute=int(found[2] or 0), second=0, microsecond=0)
    return moment if moment > local else moment + timedelta(days=1)


def _zone(name: str | None) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):  # no such zone, or not a zone's name
        return None
