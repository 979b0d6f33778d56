"""Reading lines of output: each is stored as it came, or wrapped so that nothing is lost."""

import base64
import json

import pytest

from sessions_app.providers import events

DEEP = '{"a":' * 5_000 + "1" + "}" * 5_000


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "assistant"}',
        b'{"text": "nul \\u0000, lone \\ud800"}',
        '{"text": "\u2028 ünï 你好"}'.encode(),
        b'{ "spaces" : 1 ,"order":2}',
    ],
)
def test_an_object_is_stored_to_the_letter(line):
    read = events.read_line(line)
    assert read.raw.encode() == line
    assert not read.is_own


def test_lone_surrogates_are_replaced_in_what_is_understood():
    read = events.read_line(b'{"a": ["\\ud800x"], "\\udfff": 1}')
    assert read.data == {"a": ["\ufffdx"], "\ufffd": 1}
    json.dumps(read.data, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"npm WARN deprecated", "is not JSON"),
        (b"", "is not JSON"),
        (b"[1, 2]", "is not a JSON object"),
        (b"3", "is not a JSON object"),
        (b"[" * 100_000, "is nested too deeply"),
        (DEEP.encode(), "is nested too deeply"),
        (b'{"text": "\xff\xfe"}', "is not valid UTF-8"),
        (b'{"n": ' + b"9" * 5000 + b"}", "is not JSON"),
    ],
)
def test_a_line_that_is_no_event_is_kept_and_explained(line, reason):
    read = events.read_line(line)
    assert read.is_own
    assert read.data["reason"] == reason
    assert kept(read.raw) == line


def kept(raw: str) -> bytes:
    stored = json.loads(raw)
    text = stored.get("text")
    return base64.b64decode(stored["base64"]) if text is None else text.encode()


def test_a_line_that_was_cut_off_says_so():
    read = events.read_line(b'{"type": "assist', cut=True)
    assert read.data["reason"] == "was cut off"


def test_a_whole_object_without_its_newline_is_an_event():
    assert not events.read_line(b'{"type": "result"}', cut=True).is_own


def test_ten_megabytes_in_one_line_are_an_event():
    line = json.dumps({"type": "assistant", "text": "x" * 10_000_000}).encode()
    assert events.read_line(line).data["type"] == "assistant"


@pytest.mark.parametrize("line", [b"\x00\x1b]52;c;x\x07", b'{"a": "\xff\x00"}', b"\x00"])
def test_what_we_write_holds_no_nul_and_is_ascii(line):
    raw = events.read_line(line).raw
    assert raw.isascii()
    assert "\x00" not in raw


def test_a_prompt_keeps_its_text_and_id():
    text = "line\nnul-free ünï \u2028"
    stored = events.parse_stored(events.prompt(text, "m1").raw)
    assert (stored["kind"], stored["id"], stored["content"]) == (events.PROMPT, "m1", text)


@pytest.mark.parametrize("raw", ["", "x", "[]", "1", "[" * 100_000, DEEP])
def test_stored_text_without_an_object_reads_as_empty(raw):
    assert events.parse_stored(raw) == {}
