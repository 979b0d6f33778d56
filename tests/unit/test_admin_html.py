from datetime import timedelta

import pytest
from django.utils import timezone

from sessions_app.display.html import EMPTY, clip, lasted, when


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0.0 s"), (4.24, "4.2 s"), (59.9, "59.9 s"), (184, "3 min 4 s"), (7830, "2 h 10 min")],
)
def test_a_duration_reads_in_its_two_largest_units(seconds, shown):
    assert lasted(timedelta(seconds=seconds)).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(seconds=1), "(just now)"),
        (timedelta(minutes=3, seconds=5), "(3 minutes ago)"),
        (timedelta(minutes=-3, seconds=-5), "(in 3 minutes)"),
    ],
)
def test_a_time_is_shown_absolute_and_relative(age, shown):
    moment = timezone.now() - age
    found = when(moment).replace("\u00a0", " ")
    assert f"{moment:%Y-%m-%d %H:%M:%S}" in found
    assert shown in found


def test_no_time_is_a_dash():
    assert when(None) == EMPTY


def test_a_long_text_is_clipped_to_one_line():
    assert clip("one\n two\tthree", 9) == "one two …"
