"""The streams of tests/cases, queued with submit_prompt and driven by process_jobs: what comes of
each, as its README says. One worker runs them all; how they look is tested without processes."""

import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils.dateparse import parse_datetime

from tests.process.site import ROOT, Database, Site, processes_of_run, stop, wait_for

CASES = ROOT / "tests" / "cases"
NAMES = sorted({path.stem for path in CASES.glob("*.jsonl")} | {"hang_after_result"})
RESUMED = ("resume_tag", "initonly/resume_tag")
"""Sessions of more than one prompt; the last part names the case."""

# The case is named by the project's directory, so that one command line serves them all.
REPLAY = f"""/bin/sh -c 'exec {sys.executable} {CASES / "replay.py"} "${{PWD##*/}}" "$@"' replay"""

QUEUE = """
import json, sys
from django.core.management import call_command
from io import StringIO

def printed(*arguments):
    call_command(*arguments, stdout=(out := StringIO()))
    return out.getvalue().strip()

queued = {}
for path, name, provider, prompts in json.loads(sys.stdin.read()):
    session = printed("create_session", path, "--provider", provider)
    queued[name] = [session, [printed("submit_prompt", session, prompt) for prompt in prompts]]
print(json.dumps(queued))
"""

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("cases")]


class Ran:
    """A case that ran: its session's and job's rows once nothing of it was to be run at once."""

    def __init__(self, site: Site, session: str, jobs: list[str]) -> None:
        self.session = site.session_row(session)
        self.jobs = [site.job(job) for job in jobs]
        self.job = self.jobs[-1]
        self.attempts = [site.attempts(job) for job in jobs]
        self.attempt = self.attempts[-1][-1]
        self.messages = site.messages(session)

    def told(self) -> list[str]:
        """What PokéCode itself says in the transcript, besides the prompts."""
        events = [json.loads(message["content_data"]) for message in self.messages]
        own = [event for event in events if str(event.get("kind")).startswith("pokecode_")]
        return [event["message"] for event in own if "message" in event]

    @property
    def waits_until(self) -> datetime:
        return moment(self.job["next_retry_at"])

    @property
    def ended(self) -> datetime:
        return moment(self.attempt["finished_at"])


def moment(stored: str) -> datetime:
    found = parse_datetime(f"{stored}+00:00")
    assert found
    return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory, migrated_data_directory) -> dict[str, Ran]:
    directory = tmp_path_factory.mktemp("cases")
    site = Site(directory, Database(directory, migrated_data_directory))
    site.environment["POKECODE_JOB_MAX_ATTEMPTS"] = "1"
    command = {"POKECODE_CLAUDE_COMMAND": REPLAY, "POKECODE_CODEX_COMMAND": REPLAY}
    asked = [wanted(site.projects / name, name) for name in (*NAMES, *RESUMED)]
    printed = site.manage("shell", "-c", QUEUE, stdin=json.dumps(asked).encode()).stdout
    queued = json.loads(printed.splitlines()[-1])
    with site.worker("--concurrency=8", **command) as worker:
        for _, jobs in queued.values():
            wait_for(partial(is_settled, site, jobs[-1]), 90, "the case has ended")
        assert stop(worker, signal.SIGTERM) == 0
    return {name: Ran(site, *rows) for name, rows in queued.items()}


def wanted(project: Path, name: str) -> list:
    project.mkdir(parents=True)
    provider = "codex-cli" if name.startswith("cx_") else "claude-code"
    prompts = ["Do it"]
    if name in RESUMED:
        prompts = [f"{number} {name}" for number in ("First", "Second", "Third", "Fourth")]
    return [str(project), name, provider, prompts]


def is_settled(site: Site, job_id: str) -> bool:
    job = site.job(job_id)
    return job["status"] in ("completed", "failed") or "limit" in (job["error"] or "")


ENDED_WELL = sorted({*NAMES} - {path.stem for path in CASES.glob("*.exit")} - {"hang_after_result"})


@pytest.mark.parametrize("name", ENDED_WELL)
def test_a_reported_success_completes_its_job_at_the_first_attempt(ran, name):
    case = ran[name]
    assert (case.job["status"], case.job["attempts"]) == ("completed", 1)
    assert (case.attempt["outcome"], case.attempt["exit_code"]) == ("succeeded", 0)
    told = case.told()
    if name.startswith("cx_"):  # these stand in for a Codex that is too old to be talked with
        assert "install 0.169.0 or newer" in told.pop()
    assert told == []
    assert not case.session["is_working"]


TOKENS = {
    "allowed_weekly_429": 0,
    "growing_usage": 500 + 159,
    "hang_after_result": 5 + 9,
    "no_message_id": 6000 + 60,
    "rejected_then_allowed": 100 + 1,
    "cx_collab": 1000 + 50,
    "parallel_tools": 200 + 20,
    "success_exit1": 200 + 20,
}


QUIET = ("keep_alive", "session_state_changed")
"""What tells nothing of the work."""


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_case_is_kept_and_each_token_counted_once(ran, name):
    case = ran[name]
    kept = [row["content_data"] for row in case.messages]
    stream = CASES / f"{name}.jsonl"
    lines = stream.read_text().splitlines() if stream.exists() else []
    telling = [line for line in lines if not any(f'"{kind}"' in line for kind in QUIET)]
    assert [line for line in telling if "@" not in line and line not in kept] == []
    assert case.session["token_count"] == sum(row["token_count"] or 0 for row in case.messages)
    used = (case.attempt["input_tokens"], case.attempt["output_tokens"])
    assert case.session["token_count"] == sum(used)
    assert case.session["token_count"] == TOKENS.get(name, sum(used))


def test_killed_in_the_middle_the_largest_usage_of_an_answer_counts(ran):
    case = ran["growing_usage"]
    assert (case.job["status"], case.attempt["outcome"]) == ("failed", "failed")
    assert "SIGKILL" in case.job["error"]
    assert (case.attempt["input_tokens"], case.attempt["output_tokens"]) == (500, 159)


def day_of_replay(case: Ran, days: int, zone: str, **clock: int) -> set[datetime]:
    """This clock's time so many days after the replay, which may have begun before midnight."""
    begun = {moment(case.attempt["started_at"]), case.ended}
    walls = [(found + timedelta(days=days)).replace(tzinfo=None) for found in begun]
    nothing = {"minute": 0, "second": 0, "microsecond": 0}
    zoned = [wall.replace(**{**nothing, **clock}, tzinfo=ZoneInfo(zone)) for wall in walls]
    return {found.astimezone(UTC) for found in zoned}


LIMITED = {
    "allowed_weekly_429": lambda case: {case.ended + timedelta(minutes=5)},
    "rejected_then_allowed": lambda case: {case.ended + timedelta(days=3)},
    "cx_limit_date": lambda case: day_of_replay(case, 3, "UTC", hour=4, minute=15),
    "limit_weekday": lambda case: day_of_replay(case, 5, "Europe/Paris", hour=9),
    "cx_limit_json": lambda case: {case.ended + timedelta(seconds=13872)},
}


@pytest.mark.parametrize("name", LIMITED)
def test_a_job_at_a_limit_waits_until_it_ends_and_says_so_once(ran, name):
    case = ran[name]
    assert (case.job["status"], case.job["attempts"]) == ("pending", 0)
    assert case.attempt["outcome"] == "rate_limited"
    times = LIMITED[name](case)
    assert min(abs(case.waits_until - time) for time in times) < timedelta(seconds=30)
    (said,) = case.told()
    until = "tried again in 5 minutes" if name == "allowed_weekly_429" else "until 20"
    assert until in said


def test_a_success_stays_one_though_the_process_ends_with_1(ran):
    case = ran["success_exit1"]
    assert (case.job["status"], case.job["attempts"]) == ("completed", 1)
    assert (case.attempt["outcome"], case.attempt["exit_code"]) == ("succeeded", 1)
    assert case.told() == ["Claude Code reported success and then ended with exit code 1."]


def test_a_success_stays_one_though_the_process_stays_and_it_is_ended(ran):
    case = ran["hang_after_result"]
    assert (case.job["status"], case.job["attempts"]) == ("completed", 1)
    assert case.attempt["outcome"] == "succeeded"
    (said,) = case.told()
    assert "reported success and had not exited" in said
    assert processes_of_run(case.attempt["id"]) == []
    assert not case.session["is_working"]
    assert case.ended - moment(case.attempt["started_at"]) < timedelta(seconds=60)


@pytest.mark.parametrize("name", RESUMED)
def test_a_session_goes_on_in_the_last_conversation_that_can_be_resumed(ran, name):
    case = ran[name]
    assert [job["status"] for job in case.jobs] == ["completed"] * 4
    kept = "aaaaaaaa-2222-4333-8444-00000000a003"
    answers = [row["content_data"] for row in case.messages if row["type"] == "assistant"]
    assert [f"hi {kept}" in answer for answer in answers] == [False, True, True, True]
    went_back = [said for said in case.told() if "cannot be resumed" in said]
    assert len(went_back) == (0 if "initonly" in name else 2)
    assert all(kept in said for said in went_back)
