"""The figures of the benchmarks: medians, percentiles, ratios, and what was wanted."""

import pytest

from tests.benchmarks.figures import Figure, Reference, at_least, at_most, percentile, table


@pytest.mark.parametrize(("wanted", "expected"), [(50, 5.5), (90, 9), (95, 10), (100, 10)])
def test_a_percentile_is_a_sample_and_the_median_is_the_middle(wanted, expected):
    assert percentile([7, 1, 2, 10, 3, 4, 9, 5, 6, 8], wanted) == expected


def test_the_ratio_is_to_the_reference_before_the_limit():
    peer, limit = Reference("peer", [10, 20, 30]), Reference("limit", [100])
    assert Figure("x", "/s", [40], reference=peer, limit=limit).ratio == 2
    assert Figure("x", "/s", [40], limit=limit).ratio == 0.4
    assert Figure("x", "/s", [40]).ratio is None


def test_a_bound_is_of_the_value_or_of_the_ratio():
    peer = Reference("peer", [100])
    assert Figure("x", "ms", [5], wanted=at_most(5)).is_met
    assert not Figure("x", "ms", [5.1], wanted=at_most(5)).is_met
    assert Figure("x", "/s", [200], reference=peer, wanted=at_least(2, of_ratio=True)).is_met
    assert not Figure("x", "/s", [200], wanted=at_least(2, of_ratio=True)).is_met
    assert Figure("x", "/s", [200]).is_met is None


def test_the_table_says_what_is_not_met():
    rows = table([Figure("start", "ms", [7], wanted=at_most(5)), Figure("rate", "/s", [12345])])
    _, _, start, rate = rows.splitlines()
    assert start.split() == ["start", "7", "ms", "<=", "5", "NO"]
    assert rate.split() == ["rate", "12,345", "/s"]
