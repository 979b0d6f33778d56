"""When a usage limit ends, read from the words of the tools."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from jobs_app.agents.limits import LONGEST, limit_end

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
"""A Monday."""


def day(number: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, number, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Claude AI usage limit reached|1795446000", datetime.fromtimestamp(1795446000, UTC)),
        ("Please try again in 8s.", NOW + timedelta(seconds=8)),
        ("Please try again in 250ms", NOW + timedelta(milliseconds=250)),
        ("Please try again in 6m0.5s.", NOW + timedelta(minutes=6, seconds=0.5)),
        (
            "or try again in 2 days 3 hours 5 minutes.",
            NOW + timedelta(days=2, hours=3, minutes=5),
        ),
        ("You've hit your limit · resets 3pm (UTC)", NOW + timedelta(hours=3)),
        ("limit reached, resets at 3:05 PM (Europe/Berlin)", NOW + timedelta(hours=2, minutes=5)),
        ("limit reached, resets 11am (UTC)", NOW + timedelta(hours=23)),
        ("limit reached, resets 12am (UTC)", NOW + timedelta(hours=12)),
        ("Claude AI usage limit reached|1795446000000", datetime.fromtimestamp(1795446000, UTC)),
        ("resets at 1795446000", datetime.fromtimestamp(1795446000, UTC)),
        ("Your limit will reset at 9:30 a.m. (America/Santiago).", day(23, 12, 30)),
        ("resets at midnight (Asia/Tokyo)", NOW + timedelta(hours=3)),
        ("resets 15:30 UTC", NOW + timedelta(hours=3, minutes=30)),
        ("resets 4:15\u202fPM PST", datetime(2026, 11, 24, 0, 15, tzinfo=UTC)),
        ("resets 3pm utc", day(23, 15)),
        ("resets 3pm UTC+5:30", datetime(2026, 11, 24, 9, 30, tzinfo=UTC)),
        ("try again in 2 days, 3 hours and 5 minutes", NOW + timedelta(days=2, minutes=185)),
        ("resets in ~2h30m", NOW + timedelta(hours=2, minutes=30)),
        ("try again in an hour", NOW + timedelta(hours=1)),
        ("Please wait 45 seconds before trying again", NOW + timedelta(seconds=45)),
        ("Retry-After: 120", NOW + timedelta(minutes=2)),
        ("Retry-After: Fri, 27 Nov 2026 16:00:00 GMT", datetime(2026, 11, 27, 16, tzinfo=UTC)),
        ("weekly limit · resets Nov 28 at 4pm (America/Recife)", day(28, 19)),
        ("weekly limit · resets Nov. 28, 9am (Europe/Paris)", day(28, 8)),
        ("or try again at Nov 28th, 2026 4:15 AM.", day(28, 4, 15)),
        ("resets 28 November at 10:00", day(28, 10)),
        ("resets 11/28/2026, 4:15 PM", day(28, 16, 15)),
        ("available again at 2026-11-28T04:15:00.000-03:00", day(28, 7, 15)),
        ("until 2026-11-28 04:15 (America/Recife)", day(28, 7, 15)),
        ("resets Monday 9am", day(30, 9)),
        ("resets Monday 3pm", day(23, 15)),
        ("resets Tuesday at 09:00 (Europe/Berlin)", day(24, 8)),
        ("resets next Thurs. at noon", day(26, 12)),
        ("Try again on Saturday.", day(28, 0)),
        ("resets tomorrow at 9am", day(24, 9)),
        ("resets today at 9pm", day(23, 21)),
        ("resets 3pm; the weekly limit resets Nov 25 3pm", day(25, 15)),
        ('API Error: 429 {"error":{"resets_in_seconds":100}}', NOW + timedelta(seconds=100)),
        ("resets 28.11.2026 16:00", day(28, 16)),
        ("resets 2026/11/28 16:00", day(28, 16)),
        ("resets 1 PM PST on 11/28", day(28, 21)),
        ("resets 28/11/26 4pm", day(28, 16)),
        ("resets 4pm JST", day(24, 7)),
        ("resets 4pm (UTC\u22123)", day(23, 19)),
        ("resets 4pm (+0300)", day(23, 13)),
        ("resets 16:00 (-03:00)", day(23, 19)),
        ("Your access will be restored at 4pm.", day(23, 16)),
        ("Your limit refreshes at 4pm", day(23, 16)),
        ("Come back at 4pm.", day(23, 16)),
        ("\x1b[1mresets\x1b[0m 4pm", day(23, 16)),
        ("reset_at=1795446000", NOW + timedelta(hours=3)),
        ("anthropic-ratelimit-unified-reset: 1795446000", NOW + timedelta(hours=3)),
        ("x-ratelimit-reset-requests: 6m0s", NOW + timedelta(minutes=6)),
        ("retry-after-ms: 1500", NOW + timedelta(seconds=1.5)),
        ("try again in half an hour", NOW + timedelta(minutes=30)),
        ("try again in two hours", NOW + timedelta(hours=2)),
        ("try again in 3,600 seconds", NOW + timedelta(hours=1)),
        ("resets 4 PM Eastern", day(23, 21)),
        ("resets in 5 days (Nov 28 at 4pm)", day(28, 16)),
        ("resets in 5 days (UTC)", NOW + timedelta(days=5)),
        ("try again in 02:30:00", NOW + timedelta(hours=2, minutes=30)),
        ("resets in 1 day, 02:30:00", NOW + timedelta(days=1, hours=2, minutes=30)),
    ],
)
def test_a_moment_that_is_named_is_found(text, moment):
    assert limit_end(text, NOW) == moment


def test_a_time_without_a_zone_is_the_hosts():
    found = limit_end("You've hit your usage limit. Try again at 3:05 PM.", NOW)
    assert found is not None and found > NOW
    assert f"{found.astimezone():%I:%M %p}" == "03:05 PM"


@pytest.mark.parametrize(
    "text",
    [
        "exceeded retry limit, last status: 429 Too Many Requests",
        "API Error: Request rejected (429) · Too many requests.",
        "Claude AI usage limit reached|1000000000",
        "Claude AI usage limit reached|9999999999",
        "try again in a moment",
        "try again in 900 days",
        "resets 25pm",
        "resets 3:99 pm",
        "resets Nov 31 at 4pm",
        "resets Nov 23 at 11am",  # it has passed
        "resets 11:55am",  # just now: not tomorrow's
        "resets Dec 31, 9999 at 4pm",
        "try again in -5 minutes",
        "try again in 1 month",
        "Try again later. May 3 is a holiday",
    ],
)
def test_no_moment_is_invented(text):
    assert limit_end(text, NOW) is None


@pytest.mark.parametrize(
    ("told", "after"),
    [
        ({"resets_at": 1795446000, "resets_in_seconds": 5}, timedelta(hours=3)),
        ({"resets_at": "2026-11-23T15:00:00Z"}, timedelta(hours=3)),
        ({"resets_at": None, "resets_in_seconds": 13872}, timedelta(seconds=13872)),
        ({"resets_at": 5, "resets_in_seconds": "60"}, timedelta(seconds=60)),
        ({"error": {"type": "usage_limit_reached", "resets_in_seconds": 60}}, timedelta(minutes=1)),
        ({"error": {"message": "resets 3pm (UTC)"}}, timedelta(hours=3)),
        ({"error": {"error": {"resets_in_seconds": 60}}}, timedelta(minutes=1)),
        ({"detail": {"resets_in_seconds": 60}}, timedelta(minutes=1)),
        ({"error": {"details": [{}, {"retryDelay": "34s"}]}}, timedelta(seconds=34)),
        ({"message": '{"error": {"resets_in_seconds": 60}}'}, timedelta(minutes=1)),
        ({"retry_after_ms": 1500}, timedelta(seconds=1.5)),
        ({"resetsAt": 1795446000}, timedelta(hours=3)),
        ({"resetsAt": 1795446000000}, timedelta(hours=3)),
    ],
)
def test_an_object_tells_by_its_fields(told, after):
    assert limit_end(told, NOW) == NOW + after
    assert limit_end(json.dumps(told), NOW) == NOW + after


@pytest.mark.parametrize(
    "value", [-1, 0, True, 10**30, 253402300799, float("inf"), float("nan"), "soon", [], {}]
)
@pytest.mark.parametrize("field", ["resetsAt", "resets_at", "resets_in_seconds", "error"])
def test_a_field_that_cannot_be_is_not_believed(field, value):
    found = limit_end({field: value}, NOW)
    assert found is None or field == "resets_in_seconds" and found <= NOW + LONGEST


def test_a_date_without_a_year_is_the_nearest():
    december = datetime(2026, 12, 30, 12, 0, tzinfo=UTC)
    assert limit_end("resets Jan 2 at 9am", december) == datetime(2027, 1, 2, 9, tzinfo=UTC)


def test_an_unknown_zone_leaves_the_hosts():
    assert limit_end("resets 3pm (Mars/Olympus)", NOW) == limit_end("resets 3pm", NOW)
    assert limit_end("resets 3pm (../../etc/passwd)", NOW) == limit_end("resets 3pm", NOW)


@effort(deadline=None)
@given(st.text(alphabet="0123456789 .:,/+-|smhdapNovMonJatFeb again int reached resets()Z"))
def test_a_moment_lies_ahead_and_not_too_far(text):
    found = limit_end(f"limit reached|{text} try again in {text} resets {text}", NOW)
    assert found is None or NOW < found <= NOW + LONGEST
