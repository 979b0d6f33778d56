"""The recordings of both tools in dialogue, played by a fake that keeps to their timeline to a real
worker, while a person does what was recorded. One worker runs them all."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from sessions_app.providers.display import display_message
from sessions_app.providers.shapes import Unknown
from tests.fakes import timeline
from tests.fakes.timeline import Step
from tests.process.person import Person, queue
from tests.process.site import ROOT, Database, Site, stop, wait_for

PROVIDER_OF = {"claude": "claude-code", "codex": "codex-cli"}
PATIENCE = 300
"""Seconds for all recordings together; they took 19 s on two busy cores."""

NOT_OURS = {
    "claude/always_local": "rules are never sent to a file of the project",
    "claude/always_user_settings": "rules are never sent to a file of the user",
    "claude/ask_allowed_without_answers": "a question is answered or denied, never just allowed",
    "claude/controller_killed_waiting": "ends with the worker: tests.faults kills that",
    "claude/controller_killed_working": "ends with the worker: tests.faults kills that",
    "claude/mcp_prompt_tool": "takes its prompt as text, and asks an MCP server",
    "claude/mcp_prompt_tool_70s": "takes its prompt as text, and asks an MCP server",
    "claude/queued_then_close": "messages without a UUID, of which nothing is told; ours have one",
    "claude/session_rule_first": "only the rule that was suggested is ever added",
    "claude/slash_in_stream.1": "a leading slash is escaped",
    "claude/stdin_closed_waiting": "the tool's input outlives the worker",
    "claude/stdio_tool_with_text_input": "takes its prompt as text",
    "claude/steer_priority_later": "words have no priority but the usual one",
    "claude/steer_priority_now": "words have no priority but the usual one",
    "codex/bad_requests": "not one of its calls is ours",
    "codex/controller_killed_waiting": "ends with the worker: tests.faults kills that",
    "codex/controller_killed_working": "ends with the worker: tests.faults kills that",
    "codex/exec_accept_amendment": "a permanent rule for all projects is not offered",
    "codex/exec_error_answer": "what a person answers is never an error",
    "codex/full_access_stdin_closed": "input is closed only after a turn",
    "codex/granular_without_experimental": "experimental calls are always announced",
    "codex/stdin_closed_waiting": "input is closed only after a turn",
    "codex/stdin_closed_working": "input is closed only after a turn",
    "codex/thread_queue": "the queue is PokéCode's own",
    "codex/turn_start_while_active": "words in a turn are a steer, not a turn",
}
"""Recordings, or turns of them, that the product cannot be in, and why."""

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("timelines")]


class Turn(NamedTuple):
    tool: str
    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.tool}--{self.name}.{self.number}"

    @property
    def steps(self) -> list[Step]:
        return timeline.turns(self.tool, self.name)[self.number - 1]

    def lines(self, kind: str) -> list[dict[str, Any]]:
        return [step.line for step in self.steps if step.kind == kind]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked, in the form in which it came."""
        lines = self.lines("out")
        asked = [line for line in lines if line.get("type") == "control_request"]
        return asked + [line for line in lines if "method" in line and "id" in line]


def all_turns() -> Iterator[Turn]:
    for tool, name in timeline.cases():
        if f"{tool}/{name}" not in NOT_OURS:
            for number in range(1, len(timeline.turns(tool, name)) + 1):
                if f"{tool}/{name}.{number}" not in NOT_OURS:
                    yield Turn(tool, name, number)


TURNS = list(all_turns())


class Played(NamedTuple):
    """What came of a turn."""

    job: dict[str, Any]
    attempts: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    steers: list[dict[str, Any]]


@pytest.fixture(scope="module")
def played(tmp_path_factory, migrated_data_directory) -> dict[Turn, Played]:
    directory = tmp_path_factory.mktemp("timelines")
    site = Site(directory, Database(directory, migrated_data_directory))
    site.environment |= {"POKECODE_JOB_MAX_ATTEMPTS": "1", **commands()}
    for turn in TURNS:
        (site.projects / str(turn)).mkdir()
    queued = queue(site, ((str(turn), PROVIDER_OF[turn.tool], "Do it") for turn in TURNS))
    with Person(site) as person, site.worker("--concurrency=8") as worker:
        Table(site, person, {turn: queued[str(turn)][1] for turn in TURNS}).see_to_all()
        assert stop(worker, signal.SIGTERM) == 0
    assert_quiet(site.log())
    return {turn: found(site, *queued[str(turn)]) for turn in TURNS}


def commands() -> dict[str, str]:
    """The case is named by the project's directory, so that one command line serves them all."""
    program = f"{sys.executable} {ROOT / 'tests' / 'fakes' / 'timeline.py'}"
    command = f"""/bin/sh -c 'exec {program} "${{PWD##*/}}" "$@"' timeline"""
    return {"POKECODE_CLAUDE_COMMAND": command, "POKECODE_CODEX_COMMAND": command}


def found(site: Site, session: str, job: str) -> Played:
    asked = site.rows("SELECT * FROM job_requests WHERE job_id = ? ORDER BY id", job)
    told = site.rows("SELECT * FROM job_steers WHERE job_id = ? ORDER BY id", job)
    return Played(site.job(job), site.attempts(job), asked, site.messages(session), told)


def assert_quiet(log: str) -> None:
    lines = log.splitlines()
    assert [line for line in lines if json.loads(line)["level"] != "info"] == []


# --- the person -----------------------------------------------------------------


class Table:
    """A person who does, wherever a fake waits for it, what was recorded there."""

    def __init__(self, site: Site, person: Person, jobs: dict[Turn, str]) -> None:
        self._site = site
        self._person = person
        self._jobs = jobs
        self._done: set[tuple[Turn, int]] = set()

    def see_to_all(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while running := self._running():
            assert time.monotonic() < deadline, f"{running}: {self._site.log()[-2000:]}"
            for turn in running:
                self._see_to(turn)
            time.sleep(0.02)
        self._take_back()

    def _take_back(self) -> None:
        """What no agent has read, and would be a prompt of its own now."""
        own = "SELECT own_job_id FROM job_steers WHERE own_job_id IS NOT NULL"
        query = f"SELECT id FROM job_queue WHERE status = 'pending' AND id IN ({own})"  # noqa: S608
        for row in self._site.rows(query):
            self._person.act("cancel", row["id"])

    def _running(self) -> list[Turn]:
        """Those with an attempt that is open, or none yet."""
        query = "SELECT job_id FROM job_attempts WHERE finished_at IS NOT NULL"
        ended = {row["job_id"] for row in self._site.rows(query)}
        return [turn for turn, job in self._jobs.items() if job not in ended]

    def _see_to(self, turn: Turn) -> None:
        path = self._site.projects / str(turn) / ".waiting"
        if not path.exists():
            return
        waiting = json.loads(path.read_text())
        number = waiting["step"]
        if (turn, number) in self._done:
            return
        step = turn.steps[number]
        if step.kind == "signal":
            self._done.add((turn, number))
            self._send(turn, waiting["pid"], signal.Signals[step.text])
        elif self._act(turn, step.line):
            self._done.add((turn, number))

    def _send(self, turn: Turn, pid: int, number: signal.Signals) -> None:
        wait_for(lambda: len(self._open(turn)) == len(turn.requests), what=f"{turn} has asked")
        os.kill(pid, number)

    def _act(self, turn: Turn, line: dict[str, Any]) -> bool:
        """Whether what was recorded has been done, or the worker does it by itself."""
        job = self._jobs[turn]
        match timeline.kind_of(line):
            case "answer":
                return self._answer(turn, line)
            case "user" if line != turn.lines("in")[0]:
                self._person.act("steer", job, text=line["message"]["content"])
            case "steer":
                self._person.act("steer", job, text=line["params"]["input"][0]["text"])
            case "interrupt":
                self._person.act("interrupt", job)
            case "cancel":
                self._person.act("cancel", job)
        return True

    def _answer(self, turn: Turn, line: dict[str, Any]) -> bool:
        said = line.get("response", line)
        id = said["request_id"] if "request_id" in said else said["id"]
        request = self._open(turn).get(id)
        if request is None:
            return False
        asked = json.loads(request["content_data"])
        verb, choices = codex_act(line) if turn.tool == "codex" else claude_act(asked, said)
        self._person.act(verb, request["id"], **choices)
        return True

    def _open(self, turn: Turn) -> dict[Any, dict[str, Any]]:
        rows = self._site.rows(
            "SELECT * FROM job_requests WHERE job_id = ? AND answered_at IS NULL", self._jobs[turn]
        )
        asked = [(json.loads(row["content_data"]), row) for row in rows]
        return {data.get("request_id", data.get("id")): row for data, row in asked}


def claude_act(asked: dict[str, Any], said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    answer, input = said["response"], asked["request"]["input"]
    if answer["behavior"] == "deny":
        return "deny", {"why": answer["message"]}
    if "questions" in input:
        answers = answer["updatedInput"]["answers"]
        several = [
            question["question"] for question in input["questions"] if question["multiSelect"]
        ]
        return "reply", {
            "answers": {k: v.split(", ") if k in several else v for k, v in answers.items()}
        }
    choices: dict[str, Any] = {}
    if answer.get("updatedInput", input) != input:
        choices["input"] = answer["updatedInput"]
    for update in answer.get("updatedPermissions", []):
        if update["type"] == "addRules":
            choices["for_session"] = True
        elif asked["request"]["tool_name"] == "ExitPlanMode":
            choices["mode"] = update["mode"]
    return "allow", choices


def codex_act(line: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    result = line["result"]
    if "answers" in result:
        return "reply", {"answers": {k: v["answers"] for k, v in result["answers"].items()}}
    return {
        "accept": ("allow", {}),
        "acceptForSession": ("allow", {"for_session": True}),
        "decline": ("deny", {}),
        "cancel": ("deny", {"stop": True}),
    }[result["decision"]]


# --- what came of it ------------------------------------------------------------


def ending(turn: Turn) -> str:
    """How the job has to have ended."""
    if any(step.kind == "signal" for step in turn.steps):
        return "pending" if is_still_asked(turn) else "failed"
    is_stopped = {timeline.kind_of(line) for line in turn.lines("in")} & {"interrupt", "cancel"}
    (*_, last) = filter(timeline.is_end, turn.lines("out"))
    status = last.get("params", {}).get("turn", {}).get("status")
    if status == "interrupted" or (is_stopped and last.get("is_error")):
        return "cancelled"
    return "failed" if last.get("is_error") or status == "failed" else "completed"


def is_still_asked(turn: Turn) -> bool:
    """Whether the tool was ended while it waited, and the job waits for the answer."""
    last = turn.steps[-1]
    return last.kind == "signal" and bool(turn.requests)


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_job_ends_as_its_recording_did(played, turn):
    job, attempts, *_ = played[turn]
    assert (job["status"], len(attempts)) == (ending(turn), 1), job["error"]


@pytest.mark.parametrize("turn", [turn for turn in TURNS if turn.requests], ids=str)
def test_each_request_is_asked_and_answered_as_recorded(played, turn):
    rows = played[turn].requests
    assert [json.loads(row["content_data"]) for row in rows] == turn.requests
    answers = [line for line in turn.lines("in") if timeline.kind_of(line) == "answer"]
    assert len([row for row in rows if row["closed_why"] == "answered"]) == len(answers)
    assert [row for row in rows if not row["closed_at"]] == (rows if is_still_asked(turn) else [])


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_nothing_of_it_is_unknown_to_the_display(played, turn):
    shapes = [
        shape
        for row in played[turn].messages
        for shape in display_message(
            PROVIDER_OF[turn.tool], row["type"], row["content_data"], "/home/dev/project"
        )
    ]
    assert [shape for shape in shapes if isinstance(shape, Unknown)] == []
    assert shapes


STEERED = [turn for turn in TURNS if "steer" in turn.name or turn.name == "queued_cancel"]


@pytest.mark.parametrize("turn", STEERED, ids=str)
def test_what_the_agent_was_told_is_read_once_and_a_message(played, turn):
    (steer,) = played[turn].steers
    assert steer["read_at"] and not steer["own_job_id"]
    told = [row for row in played[turn].messages if steer["id"] in row["content_data"]]
    assert [row["type"] for row in told] == ["user"]


def test_every_recording_is_played_or_named_with_a_reason():
    known = {f"{tool}/{name}" for tool, name in timeline.cases()}
    assert {name.partition(".")[0] for name in NOT_OURS} <= known
    assert {f"{turn.tool}/{turn.name}" for turn in TURNS} | set(NOT_OURS) >= known
