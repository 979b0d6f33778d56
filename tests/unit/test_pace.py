"""How often a live page looks: at once after a rest, but not more often than on average."""

import pytest

from pokecode_site.pages.live import BURST, PAUSE, Pace


def test_a_few_looks_come_at_once_after_a_rest():
    pace = Pace()
    for rest in (100.0, 200.0):
        assert [pace.pause(rest) for _ in range(BURST)] == [0.0] * BURST
        assert pace.pause(rest) > 0


def test_a_page_that_is_told_of_news_all_the_time_looks_once_a_pause():
    pace, now, looks = Pace(), 100.0, 0
    while now < 110.0:
        now += pace.pause(now) + 0.001
        looks += 1
    assert looks == pytest.approx(10.0 / PAUSE, abs=BURST + 1)
