"""Differences of two texts, as a page shows them."""

import pytest

from sessions_app.providers import diffs

SIGNS = {"context": " ", "remove": "-", "add": "+"}


def shown(old: list[str], new: list[str]) -> list[str]:
    lines = diffs.between("\n".join(old), "\n".join(new))
    return [f"{SIGNS[line.kind]}{line.text}" for line in lines]


def test_what_both_begin_and_end_with_is_context():
    assert shown(["a", "b", "z"], ["a", "c", "d", "z"]) == [" a", "-b", "+c", "+d", " z"]
    assert shown(["a", "a"], ["a"]) == [" a", "-a"]
    assert shown(["a"], ["a", "a"]) == [" a", "+a"]
    assert shown([], ["a"]) == ["+a"]


def test_two_changes_of_one_edit_are_shown_apart():
    old = ["def f():", "    x = 1", "    y = 2", "    return x"]
    new = ["def g():", "    x = 1", "    y = 2", "    return y"]
    assert shown(old, new) == [
        *("-def f():", "+def g():", "     x = 1", "     y = 2"),
        *("-    return x", "+    return y"),
    ]


def test_a_change_in_a_long_text_is_found():
    text = [f"line {number}" for number in range(5_000)]
    changed = [*text[:2_500], "new", *text[2_501:]]
    lines = shown(text, changed)
    assert [line for line in lines if line[0] != " "] == ["-line 2500", "+new"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["a" * (n % 2) for n in range(499)], ["a" * (n // 2 % 2) for n in range(1, 500)]),
        (["a", "b"] * 249, ["c", "a"] * 249),
        ([f"{n}" for n in range(499)], [f"{n}" for n in range(499)][::-1]),
    ],
)
def test_texts_that_take_long_to_compare_are_shown_as_replaced(old, new):
    lines = [line for line in shown(old, new) if line[0] != " "]
    signs = "".join(line[0] for line in lines)
    assert signs == "-" * signs.count("-") + "+" * signs.count("+")
