"""The real Codex asks, and people answer, tell it things and interrupt it, as a user sees it.

It talks to a scripted model server on loopback (tests/fakes/model_server.py).
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import real_clis
from tests.fakes.model_server import ModelServer
from tests.process.person import Person
from tests.process.site import Site, processes_of_run, wait_for


@pytest.fixture
def real(site: Site, model: ModelServer) -> Site:
    """The site with the real tool, in a sandbox in which nothing can be written."""
    site.environment |= real_clis.environment(site.directory / "home", model.url)
    site.environment["POKECODE_CODEX_COMMAND"] = real_clis.codex()
    site.environment["POKECODE_CODEX_SANDBOX"] = "read-only"
    return site


class Asking:
    """A session of a site, what its agent asks, and the person who answers."""

    def __init__(self, site: Site, person: Person) -> None:
        self.site = site
        self.person = person
        self.session = site.session("one", "--provider", "codex-cli")
        self.project = site.projects / "one"

    def prompt(self, text: str) -> str:
        return self.site.submit(self.session, text)

    def request(self, job: str) -> dict[str, Any]:
        """The request that waits for a person."""
        query = "SELECT * FROM job_requests WHERE job_id = ? AND closed_at IS NULL"
        [row] = wait_for(lambda: self.site.rows(query, job), what=self.site.log()[-2000:])
        return row

    def ended(self, job: str) -> dict[str, Any]:
        return self.site.wait_for_status(job, "completed", "failed", "cancelled")

    def closed(self, job: str) -> list[tuple[str, str]]:
        query = "SELECT tool, closed_why FROM job_requests WHERE job_id = ? ORDER BY id"
        return [(row["tool"], row["closed_why"]) for row in self.site.rows(query, job)]

    def counted(self) -> int:
        return self.site.session_row(self.session)["token_count"]


@pytest.fixture
def asking(real: Site) -> Iterator[Asking]:
    with Person(real) as person:
        yield Asking(real, person)


def outside(command: str) -> str:
    """A prompt with which the model asks to run the command outside the sandbox."""
    wanted = {"sandbox_permissions": "require_escalated", "justification": "It has to."}
    return f"TOOL exec_command {json.dumps({'cmd': command, **wanted})}"


def add_file(path: Path) -> str:
    patch = f"*** Begin Patch\n*** Add File: {path}\n+made\n*** End Patch\n"
    return f"TOOL apply_patch {json.dumps({'patch': patch})}"


def test_what_is_allowed_leaves_the_sandbox(asking, model):
    job = asking.prompt(outside("echo ran >> ran.txt"))
    with asking.site.worker():
        request = asking.request(job)
        assert "echo ran >> ran.txt" in request["content_data"]
        assert not (asking.project / "ran.txt").exists()
        asking.person.act("allow", request["id"])
        assert asking.ended(job)["status"] == "completed"
    assert (asking.project / "ran.txt").read_text() == "ran\n"
    assert asking.closed(job) == [("Shell", "answered")]
    assert asking.counted() == model.served.total


def test_what_is_denied_does_not_run_and_the_agent_is_told_why(asking, model):
    job = asking.prompt(outside("echo ran > ran.txt"))
    with asking.site.worker():
        asking.person.act("deny", asking.request(job)["id"], why="SAY I use the test directory")
        assert asking.ended(job)["status"] == "completed"
    assert not (asking.project / "ran.txt").exists()
    assert (
        "I use the test directory" in asking.site.manage("show_transcript", asking.session).stdout
    )
    assert asking.counted() == model.served.total


def test_a_patch_is_asked_with_its_changes_and_made_once_allowed(asking):
    job = asking.prompt(add_file(asking.project / "new.txt"))
    with asking.site.worker():
        request = asking.request(job)
        [change] = json.loads(request["call_data"])["changes"]
        assert (change["path"], change["diff"]) == (str(asking.project / "new.txt"), "made\n")
        asking.person.act("allow", request["id"], for_session=True)
        assert asking.ended(job)["status"] == "completed"
    assert (asking.project / "new.txt").read_text() == "made\n"


def test_a_question_is_answered(asking, model):
    question = {"id": "db", "header": "Database", "question": "Which database?"}
    options = [{"label": name, "description": name} for name in ("SQLite", "PostgreSQL")]
    questions = {"questions": [{**question, "options": options}]}
    job = asking.prompt(f"TOOL request_user_input {json.dumps(questions)}")
    with asking.site.worker():
        asking.person.act("reply", asking.request(job)["id"], answers={"db": "PostgreSQL"})
        assert asking.ended(job)["status"] == "completed"
    assert "PostgreSQL" in model.prompts[-1].body["input"][-1]["output"]


def test_where_nobody_is_asked_it_is_refused_and_said(asking):
    asking.site.environment["POKECODE_APPROVALS"] = "deny"
    job = asking.prompt(outside("echo ran > ran.txt"))
    with asking.site.worker():
        row = asking.ended(job)
    assert row["status"] == "completed"
    assert "denied: approval policy is Never" in row["error"]
    assert not (asking.project / "ran.txt").exists()


def test_an_answer_outlives_worker_and_agent_and_exactly_that_call_runs_once(asking):
    job = asking.prompt(outside("echo ran >> ran.txt"))
    with asking.site.worker() as worker:
        request = asking.request(job)
        [run] = asking.site.attempts(job)
        worker.kill()
        worker.wait()
        if run["pid"] in processes_of_run(run["id"]):  # the end of its input may have ended it
            os.kill(run["pid"], signal.SIGKILL)
        asking.person.act("allow", request["id"])
    assert not (asking.project / "ran.txt").exists()
    with asking.site.worker():
        assert asking.ended(job)["status"] == "completed"
    assert (asking.project / "ran.txt").read_text() == "ran\n"
    assert asking.closed(job) == [("Shell", "answered")]


@pytest.mark.parametrize("kind", ["command", "patch"])
def test_one_that_waits_long_is_parked_and_goes_on_after_the_answer(asking, model, kind):
    asking.site.environment["POKECODE_REQUEST_WAIT"] = "1"
    path = asking.project / "ran.txt"
    job = asking.prompt(outside("echo made >> ran.txt") if kind == "command" else add_file(path))
    with asking.site.worker():
        request = asking.request(job)
        [parked] = wait_for(lambda: [a for a in asking.site.attempts(job) if a["outcome"]])
        assert (parked["outcome"], processes_of_run(parked["id"])) == ("parked", [])
        asking.person.act("allow", request["id"])
        row = asking.ended(job)
    assert (row["status"], row["attempts"]) == ("completed", 1)
    assert path.read_text() == "made\n"
    assert [why for _, why in asking.closed(job)] == ["answered"]
    assert asking.counted() == model.served.total


@pytest.fixture
def running(asking) -> Iterator[str]:
    """A job whose agent runs a command that ends once there is a file `go`."""
    asking.site.environment["POKECODE_CODEX_SANDBOX"] = "workspace-write"
    command = "touch begun; while [ ! -e go ]; do sleep 0.05; done; echo over"
    job = asking.prompt(f"RUN {command}")
    with asking.site.worker():
        wait_for((asking.project / "begun").exists)
        yield job


def test_what_it_is_told_while_it_works_it_reads_with_the_tool_s_result(asking, running, model):
    asking.person.act("steer", running, text="SAY as you wish")
    wait_for(lambda: asking.site.rows("SELECT * FROM job_steers WHERE sent_at IS NOT NULL"))
    (asking.project / "go").touch()
    assert asking.ended(running)["status"] == "completed"
    shown = asking.site.manage("show_transcript", asking.session).stdout
    assert shown.count("SAY as you wish") == 1
    assert shown.index("SAY as you wish") < shown.rindex("as you wish")
    [told] = asking.site.rows("SELECT * FROM job_steers")
    assert told["read_at"] and not told["own_job_id"]
    assert asking.counted() == model.served.total


def test_an_interrupted_turn_ends_with_what_it_ran_and_the_conversation_goes_on(
    asking, running, model
):
    asking.person.act("interrupt", running)
    assert asking.ended(running)["status"] == "cancelled"
    [run] = asking.site.attempts(running)
    assert processes_of_run(run["id"]) == []
    assert asking.ended(asking.prompt("SAY still here"))["status"] == "completed"
    assert "touch begun" in model.prompts[-1].text


def test_a_conversation_goes_on_whichever_way_the_tool_is_driven(asking, model, tmp_path):
    """First one way, as with an old Codex, then as an app-server, then one way again."""
    real = asking.site.environment["POKECODE_CODEX_COMMAND"]
    old = tmp_path / "codex"
    old.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec echo codex-cli 0.1.0\nexec {real} "$@"\n'
    )
    old.chmod(0o755)
    for number, command in enumerate((str(old), real, str(old)), 1):
        job = asking.prompt(f"SAY answer {number}")
        asking.site.drain(POKECODE_CODEX_COMMAND=command)
        assert asking.site.job(job)["status"] == "completed"
        assert asking.counted() == model.served.total
    history = model.prompts[-1].text
    assert history.index("answer 1") < history.index("answer 2") < history.index("answer 3")
    shown = asking.site.manage("show_transcript", asking.session).stdout
    assert shown.count("install 0.169.0 or newer") == 2
