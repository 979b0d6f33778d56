import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_app.titles import prompt_start, title


def test_a_title_is_the_first_line_that_says_something():
    assert title("\n\n  Fix the tests\nin the morning") == "Fix the tests"


def test_a_long_line_is_shortened():
    assert title("x" * 100) == "x" * 79 + "…"


def test_a_title_hides_nothing():
    assert title("rm \u202etxt") == "rm <U+202E>txt"


@given(st.text(), st.integers(min_value=0, max_value=200))
def test_the_beginning_of_the_json_gives_the_beginning_of_the_prompt(prompt, length):
    start = json.dumps({"prompt": prompt, "projectPath": "/"})[: length + len('{"prompt": "')]
    found = prompt_start(start)
    assert prompt.startswith(found) or prompt.encode("utf-16", "surrogatepass").startswith(
        found.encode("utf-16", "surrogatepass")
    )


@pytest.mark.parametrize("start", ["", "not JSON", '{"model": "x"}', "[1]", '{"prompt": 5}'])
def test_a_row_without_a_prompt_is_called_what_it_holds(start):
    assert prompt_start(start) == start
