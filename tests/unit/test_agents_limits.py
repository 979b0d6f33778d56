"""When a usage limit ends, read from the words of the tools."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from jobs_app.agents.limits import LONGEST, retry_at

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


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
    ],
)
def test_a_moment_that_is_named_is_found(text, moment):
    assert retry_at(text, NOW) == moment


def test_a_time_without_a_zone_is_the_hosts():
    found = retry_at("You've hit your usage limit. Try again at 3:05 PM.", NOW)
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
    ],
)
def test_no_moment_is_invented(text):
    assert retry_at(text, NOW) is None


def test_an_unknown_zone_leaves_the_hosts():
    assert retry_at("resets 3pm (Mars/Olympus)", NOW) == retry_at("resets 3pm", NOW)
    assert retry_at("resets 3pm (../../etc/passwd)", NOW) == retry_at("resets 3pm", NOW)


@effort(deadline=None)
@given(st.text(alphabet="0123456789 .:|smhdap again int reached resets()"))
def test_a_moment_lies_ahead_and_not_too_far(text):
    found = retry_at(f"limit reached|{text} try again in {text} resets {text}", NOW)
    assert found is None or NOW < found <= NOW + LONGEST
