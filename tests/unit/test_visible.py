import unicodedata

import pytest

from sessions_app.visible import visible


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("rm \u202etxt.exe", "rm <U+202E>txt.exe"),
        ("\x1b]52;c;AAAA\x07", "<U+001B>]52;c;AAAA<U+0007>"),
        ("a\rb", "a<U+000D>b"),
        ("\x9b31m", "<U+009B>31m"),
        ("zero\u200bwidth", "zero<U+200B>width"),
        ("line\u2028break", "line<U+2028>break"),
        ("half \ud800 a pair", "half <U+D800> a pair"),
        ("\U000e0041", "<U+E0041>"),
    ],
)
def test_what_hides_is_shown_by_its_code(hostile, shown):
    assert visible(hostile) == shown


@pytest.mark.parametrize(
    "text", ["", "plain", "two\n\tlines", "Größe 大小 עברית 🎉", "no\u00a0break"]
)
def test_what_can_be_seen_stays_as_it_is(text):
    assert visible(text) == text


def test_no_control_or_format_character_is_left():
    everything = "".join(map(chr, range(0x110000)))
    left = {c for c in visible(everything) if unicodedata.category(c) in {"Cc", "Cf", "Cs"}}
    assert left == {"\n", "\t"}
