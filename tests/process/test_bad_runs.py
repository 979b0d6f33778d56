"""Agents that misbehave: each ends with one clear sentence, and nothing is lost."""

import base64
import json
import time
from contextlib import closing

import pytest

from tests.process.site import directive, wait_for


def run_to_end(site, session, prompt, **environment):
    """The job's row after its last attempt."""
    job = site.submit(session, prompt)
    site.drain(POKECODE_JOB_MAX_ATTEMPTS="1", **environment)
    return site.job(job)


def errors(site, session) -> list[dict]:
    return [
        json.loads(row["content_data"]) for row in site.messages(session) if row["type"] == "error"
    ]


@pytest.fixture
def once(site):
    """Jobs that are tried once, so that a transient failure ends them."""
    site.environment["POKECODE_JOB_MAX_ATTEMPTS"] = "1"
    return site


@pytest.mark.parametrize(
    ("instructions", "sentence"),
    [
        ({"lines": []}, "without a result"),
        ({"lines": [], "exit": 1}, "exit code 1"),
        ({"lines": [], "stdout_close": True, "sleep": 0.2}, "without a result"),
    ],
)
def test_an_agent_without_a_result_has_failed(once, instructions, sentence):
    session = once.session()
    job = run_to_end(once, session, directive(**instructions))
    assert job["status"] == "failed"
    assert sentence in job["error"]
    assert errors(once, session)[-1]["message"] == job["error"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"plain words", "is not JSON"),
        (b'{"half": ', "is not JSON"),
        (b'{"type":"\xff"}', "is not valid UTF-8"),
        (b'{"a":"b\x00c"}', "is not JSON"),
        (b"[1, 2]", "is not a JSON object"),
        (b"[" * 200_000, "is nested too deeply"),
    ],
)
def test_an_unreadable_line_is_kept_as_an_error_and_the_run_goes_on(once, line, reason):
    session = once.session()
    encoded = {"base64": base64.b64encode(line).decode()}
    job = run_to_end(once, session, directive(before=[encoded]))
    assert job["status"] == "completed"
    (kept,) = errors(once, session)
    assert reason in kept["reason"]
    text = kept["text"].encode() if "text" in kept else base64.b64decode(kept["base64"])
    assert text == line


@pytest.mark.parametrize(
    "text",
    ["\u2028 and \u2029", "\\ud800 alone", "\\u0000 escaped", "\u202e reversed"],
    ids=["line separators", "lone surrogate", "escaped nul", "bidi"],
)
def test_an_odd_line_is_stored_as_it_came(once, text):
    session = once.session()
    line = f'{{"type":"system","subtype":"status","text":"{text}"}}'
    job = run_to_end(once, session, directive(before=[line]))
    assert job["status"] == "completed"
    assert line in [row["content_data"] for row in once.messages(session)]


def test_a_line_of_10_mb_is_stored_whole(once):
    session = once.session()
    job = run_to_end(once, session, directive(before=[{"pad": 10_000_000}]))
    assert job["status"] == "completed"
    sizes = [len(row["content_data"]) for row in once.messages(session)]
    assert max(sizes) == 10_000_000 + len('{"type":"system","subtype":"status","text":""}')


def test_a_flood_of_standard_error_does_not_stop_a_run(once):
    job = run_to_end(once, once.session(), directive(stderr_bytes=20_000_000))
    assert job["status"] == "completed"


def test_an_agent_that_never_ends_is_stopped_at_the_time_limit(once):
    began = time.monotonic()
    job = run_to_end(once, once.session(), directive(sleep=600), POKECODE_JOB_TIMEOUT="1")
    assert job["status"] == "failed"
    assert "POKECODE_JOB_TIMEOUT" in job["error"]
    assert time.monotonic() - began < 60


def test_a_missing_tool_says_how_to_get_it(once):
    session = once.session()
    once.environment["POKECODE_CLAUDE_COMMAND"] = "no-such-tool"
    job = run_to_end(once, session, "Do it")
    assert job["status"] == "failed"
    assert "is not installed on this host" in job["error"]
    assert "npm install" in job["error"]


@pytest.mark.parametrize("change", ["deleted", "file", "symlink out"])
def test_a_project_that_changed_since_is_refused_before_anything_runs(once, tmp_path, change):
    session = once.session("gone")
    project = once.projects / "gone"
    project.rmdir()
    if change == "file":
        project.write_text("")
    elif change == "symlink out":
        project.symlink_to("/etc")
    job = run_to_end(once, session, "Do it")
    assert job["status"] == "failed"
    assert job["attempts"] == 1
    assert "gone" in job["error"]


def test_a_path_that_was_edited_behind_our_back_is_checked_again(once):
    session = once.session()
    with closing(once.database.connect()) as link, link:
        link.execute("UPDATE sessions SET project_path = '/etc'")
    job = run_to_end(once, session, "Do it")
    assert job["status"] == "failed"
    assert "outside the project roots" in job["error"]


def test_a_transient_failure_is_tried_again_and_says_so(site):
    session = site.session()
    job = site.submit(session, directive(lines=[], exit=1))
    with site.worker():
        row = wait_for(lambda: (r := site.job(job))["error"] and r)
    assert row["status"] in {"pending", "processing"}
    assert row["attempts"] >= 1
    assert errors(site, session)
