"""The moment that words name: a date, a weekday, a clock's hour, or a while from now.

Nothing here knows what happens at that moment; `limits` says where to look for it.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

JUST_PASSED = timedelta(minutes=10)
"""An hour that a clock showed so shortly ago is meant itself, not the next day's."""

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?(?![\d:])"
YEAR = r"(?:,?\s+(?P<year>\d{4})\b)?"
DATES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})",
        r"\b(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})\b",
        r"\b(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})\b",
        r"(?<![\d/])(?P<month>\d{1,2})/(?P<day>\d{1,2})(?:/(?P<year>\d{4}|\d{2}))?(?![\d/])",
        rf"\b{MONTH}\s+{DAY}(?!\s?[ap]\.?m\b){YEAR}",
        rf"\b{DAY}\s+(?:of\s+)?{MONTH}{YEAR}",
    )
]
WEEKDAY = re.compile(r"\b(mon|tue|wed|thu|fri|sat|sun)(?:s|nes|rs?|ur)?(?:day)?\b", re.IGNORECASE)
NEAR = re.compile(r"\b(today|tomorrow)\b", re.IGNORECASE)
CLOCK = re.compile(
    r"(?<![\d:.+-])(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?"
    r"(?:\s?(?P<half>[ap])\.?m\b|(?<=:\d\d))",
    re.IGNORECASE,
)
NAMED_HOURS = re.compile(r"\b(?P<noon>noon)\b|\bmidnight\b", re.IGNORECASE)

# Short names that a zone database lacks, or holds without summer time.
SHORT_ZONES = {
    **dict.fromkeys(("PT", "PST", "PDT", "PACIFIC"), "America/Los_Angeles"),
    **dict.fromkeys(("MT", "MST", "MDT", "MOUNTAIN"), "America/Denver"),
    **dict.fromkeys(("CT", "CST", "CDT", "CENTRAL"), "America/Chicago"),
    **dict.fromkeys(("ET", "EST", "EDT", "EASTERN"), "America/New_York"),
    **dict.fromkeys(("CET", "CEST"), "Europe/Berlin"),
    "BST": "Europe/London",
    "BRT": "America/Sao_Paulo",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul",
    "SGT": "Asia/Singapore",
    **dict.fromkeys(("AEST", "AEDT"), "Australia/Sydney"),
}
AMERICAN = r"(?i:(?:Eastern|Central|Mountain|Pacific)(?!\s+(?:Europe|Africa|Australia|Indonesia)))"
ZONE = re.compile(
    r"(?<=\d)Z\b"
    r"|(?:\b(?i:UTC|GMT)|(?<=:\d\d)(?:\.\d+)?|(?<=\())\s?\(?"
    r"(?P<sign>[+\u2212-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?(?![\d-])"
    rf"|\b(?P<short>(?i:UTC|GMT)|{AMERICAN}|{'|'.join(SHORT_ZONES)})\b"
    r"|(?P<place>\b[A-Za-z_]+(?:/[\w+-]+)+)"
)

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
AMOUNT = (
    rf"(\d{{1,3}}(?:,\d{{3}})+|\d+(?:\.\d+)?|half an\b|an?\b|(?:{'|'.join(NUMBERS)})\b)\s?"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)"
    r"(?![a-z])"
)
AMOUNTS = re.compile(AMOUNT, re.IGNORECASE)
IN_A_WHILE = re.compile(
    rf"[\s:]*(?:(?:in|after|for|another|about|approximately|around|~)\s*)*"
    rf"((?:{AMOUNT}[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
IN_HOURS = re.compile(
    r"[\s:]*in\s+(?:(\d{1,2}) days?,?\s+)?(\d{1,3}):(\d{2})(?::(\d{2})(?:\.\d+)?)?"
    r"(?![\d:]|\s?[ap]\.?m)",
    re.IGNORECASE,
)
IN_BRACKETS = re.compile(r"[\s:]*in\s[^()]{1,40}\(([^()]{1,60}(?:\([^()]{1,40}\))?)")
"""A while, and the moment itself after it: "in 5 days (Nov 28 at 4pm)"."""


def named_moment(words: str, now: datetime) -> datetime | None:
    """The moment that these words begin with or hold, None if they name none.

    A time without a zone is the host's.
    """
    if (exact := IN_BRACKETS.match(words)) and (moment := _at_a_clock(exact[1], now)):
        return moment
    return _after_hours(words, now) or _after_a_while(words, now) or _at_a_clock(words, now)


def _after_hours(words: str, now: datetime) -> datetime | None:
    """For a while that is written as a clock would show it: "in 1 day, 02:30:00"."""
    found = IN_HOURS.match(words)
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return now + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _after_a_while(words: str, now: datetime) -> datetime | None:
    found = IN_A_WHILE.match(words)
    if not found:
        return None
    seconds = sum(_number(amount) * _unit(unit) for amount, unit in AMOUNTS.findall(found[1]))
    return now + timedelta(seconds=seconds) if seconds < 10**8 else None


def _number(amount: str) -> float:
    """Digits, or words such as "an" and "two"."""
    if amount[0].isdigit():
        return float(amount.replace(",", ""))
    lower = amount.lower()
    return 0.5 if lower.startswith("half") else NUMBERS.index(lower) + 1 if lower in NUMBERS else 1


def _unit(name: str) -> float:
    lower = name.lower()
    return UNITS["ms" if lower in ("ms", "millisecond", "milliseconds") else lower[0]]


def _at_a_clock(words: str, now: datetime) -> datetime | None:
    zone = _zone(words)
    try:
        wall = now.astimezone(zone).replace(tzinfo=None)
        days, hour = _days(words, wall.date()), _hour(words)
        if not days and hour is None:
            return None
        days = days or [wall.date(), wall.date() + timedelta(days=1)]
        moments = (datetime.combine(day, hour or time()) for day in days)
        moment = next((found for found in moments if found > wall - JUST_PASSED), None)
        return moment and _aware(moment, zone)
    except (ValueError, OverflowError, OSError):  # no such day or hour, or too far away
        return None


def _aware(wall: datetime, zone: tzinfo | None) -> datetime:
    """In UTC; a wall clock without a zone is the host's, on that day."""
    return (wall.replace(tzinfo=zone) if zone else wall.astimezone()).astimezone(UTC)


def _days(words: str, today: date) -> list[date]:
    """The days that may be meant, in order; none where only a clock's hour is named."""
    for pattern in DATES:
        if found := pattern.search(words):
            return [_date(found.groupdict(), today)]
    if found := WEEKDAY.search(words):
        ahead = (WEEKDAYS.index(found[1].lower()) - today.weekday()) % 7
        return [today + timedelta(days=ahead), today + timedelta(days=ahead + 7)]
    if found := NEAR.search(words):
        return [today + timedelta(days=found[1].lower() == "tomorrow")]
    return []


def _date(parts: dict[str, str | None], today: date) -> date:
    """A date without a year is the one that is nearest to today."""
    name, day = parts.get("name"), int(parts["day"] or 0)
    month = MONTHS.index(name[:3].lower()) + 1 if name else int(parts["month"] or 0)
    if not name and month > 12 >= day:  # as written where the day comes first
        month, day = day, month
    if year := int(parts["year"] or 0):
        return date(year if year > 99 else 2000 + year, month, day)
    years = (today.year, today.year - 1, today.year + 1)
    return min(_existing(years, month, day), key=lambda found: abs(found - today))


def _existing(years: Iterable[int], month: int, day: int) -> list[date]:
    """Only some years have a 29 February."""
    return [date(year, month, day) for year in years if _exists(year, month, day)]


def _exists(year: int, month: int, day: int) -> bool:
    try:
        return bool(date(year, month, day))
    except ValueError:
        return False


def _hour(words: str) -> time | None:
    """The clock's time, None if none is named; ValueError for one that no clock shows."""
    if named := NAMED_HOURS.search(words):
        return time(12 if named["noon"] else 0)
    found = CLOCK.search(words)
    if not found:
        return None
    hour, half = int(found["hour"]), (found["half"] or "").lower()
    if half and not 0 <= hour <= 12:
        raise ValueError(hour)
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, int(found["minute"] or 0), int(found["second"] or 0))


def _zone(words: str) -> tzinfo | None:
    """The first zone that the words name, None for the host's."""
    found = (_known_zone(match) for match in ZONE.finditer(words))
    return next((zone for zone in found if zone), None)


def _known_zone(match: re.Match[str]) -> tzinfo | None:
    name = (match["short"] or "").upper() or match["place"] or "UTC"
    try:
        if match["sign"]:
            offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
            return timezone(offset if match["sign"] == "+" else -offset)
        return ZoneInfo(SHORT_ZONES.get(name, name))
    except (KeyError, ValueError, OSError):  # no such zone, or not a zone's name
        return None
