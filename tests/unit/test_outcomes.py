"""How attempts end, in words for the database and for people."""

import subprocess
import sys

import pytest

from jobs_app import outcomes
from jobs_app.outcomes import Outcome, Verdict


def test_the_database_keeps_these_words():
    assert [str(outcome) for outcome in Outcome] == [
        "succeeded",
        "failed",
        "rate_limited",
        "cancelled",
        "interrupted",
        "parked",
        "lost",
    ]


def test_people_read_words_without_underscores():
    assert Outcome.RATE_LIMITED.label == "rate limited"
    assert Outcome.LOST.label == "lost"


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (outcomes.CANCELLED, Outcome.CANCELLED),
        (outcomes.INTERRUPTED, Outcome.INTERRUPTED),
        (outcomes.LOST, Outcome.LOST),
    ],
)
def test_what_we_stopped_may_be_tried_again_and_says_why(verdict, outcome):
    assert (verdict.outcome, verdict.permanent) == (outcome, False)
    assert verdict.error.endswith(".")


def test_a_timeout_is_permanent_and_names_its_setting():
    sentence = "The agent was stopped after 90 s (POKECODE_JOB_TIMEOUT)."
    assert outcomes.timed_out(90.0) == Verdict(Outcome.FAILED, sentence, permanent=True)


def test_the_words_need_no_django():
    script = "import sys, jobs_app.outcomes; sys.exit('django' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
