"""The real Claude Code asks, and people answer, steer and interrupt it, as a user sees it.

It talks to a scripted model server on loopback (tests/fakes/model_server.py).
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fakes import real_clis
from tests.fakes.model_server import ModelServer
from tests.process.site import Site, processes_of_run, wait_for

QUESTION = {
    "question": "Which database?",
    "header": "Database",
    "options": [
        {"label": "SQLite", "description": "one file"},
        {"label": "PostgreSQL", "description": "a server"},
    ],
    "multiSelect": False,
}


@pytest.fixture
def real(site: Site, model: ModelServer) -> Site:
    """The site with the real tool, which has to ask before it changes anything."""
    site.environment |= real_clis.environment(site.directory / "home", model.url)
    site.environment["POKECODE_CLAUDE_COMMAND"] = real_clis.claude()
    site.environment["POKECODE_CLAUDE_PERMISSION_MODE"] = "default"
    return site


class Asking:
    """A session of a site, and what its agent asks."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.session = site.session("one")
        self.project = site.projects / "one"

    def prompt(self, text: str) -> str:
        return self.site.submit(self.session, text)

    def request(self, job: str) -> dict[str, Any]:
        """The request that waits for a person."""
        query = "SELECT * FROM job_requests WHERE job_id = ? AND closed_at IS NULL"
        [row] = wait_for(lambda: self.site.rows(query, job), what=self.site.log()[-2000:])
        return row

    def closed(self, job: str) -> list[tuple[str, str]]:
        query = "SELECT kind, closed_why FROM job_requests WHERE job_id = ? ORDER BY id"
        return [(row["kind"], row["closed_why"]) for row in self.site.rows(query, job)]

    def on_request(self, id: str, verb: str) -> None:
        """In the shell, as a person would: `allow()`."""
        self._shell(f"JobRequest.objects.get(pk={id!r}).{verb}")

    def on_job(self, id: str, verb: str) -> None:
        self._shell(f"Job.objects.get(pk={id!r}).{verb}")

    def _shell(self, line: str) -> None:
        self.site.manage("shell", "-c", f"from jobs_app.models import *; {line}")

    def run_of(self, job: str) -> dict[str, Any]:
        """The attempt that runs."""
        [*_, row] = wait_for(lambda: [a for a in self.site.attempts(job) if a["pid"]])
        return row

    def prompts(self) -> list[str]:
        """What people said, as the transcript has it."""
        rows = [json.loads(row["content_data"]) for row in self.site.messages(self.session)]
        return [row["content"] for row in rows if row.get("kind") == "pokecode_user_message"]


@pytest.fixture
def asking(real: Site) -> Asking:
    return Asking(real)


def call(tool: str, **input: Any) -> str:
    return f"TOOL {tool} {json.dumps(input)}"


def test_what_is_allowed_runs(asking, model):
    job = asking.prompt(call("Write", file_path=str(asking.project / "a.txt"), content="made\n"))
    with asking.site.worker():
        request = asking.request(job)
        assert not (asking.project / "a.txt").exists()
        asking.on_request(request["id"], "allow()")
        asking.site.wait_for_status(job, "completed")
    assert (asking.project / "a.txt").read_text() == "made\n"
    assert asking.closed(job) == [("permission", "answered")]


def test_what_is_allowed_for_the_session_is_not_asked_again_in_another_process(asking):
    with asking.site.worker():
        job = asking.prompt("RUN touch a.txt")
        asking.on_request(asking.request(job)["id"], "allow(for_session=True)")
        asking.site.wait_for_status(job, "completed")
        again = asking.prompt("RUN touch a.txt")
        asking.site.wait_for_status(again, "completed")
    assert asking.closed(again) == []


def test_what_is_denied_does_not_run_and_the_agent_is_told_why(asking, model):
    job = asking.prompt("RUN echo ran > ran.txt")
    with asking.site.worker():
        asking.on_request(asking.request(job)["id"], "deny('use the test directory')")
        row = asking.site.wait_for_status(job, "completed")
    assert not (asking.project / "ran.txt").exists()
    assert "use the test directory" in model.prompts[-1].text
    assert "denied" in row["error"]


def test_a_question_is_answered(asking, model):
    job = asking.prompt(call("AskUserQuestion", questions=[QUESTION]))
    with asking.site.worker():
        reply = "reply({'Which database?': 'PostgreSQL'})"
        asking.on_request(asking.request(job)["id"], reply)
        asking.site.wait_for_status(job, "completed")
    assert '\\"Which database?\\"=\\"PostgreSQL\\"' in model.prompts[-1].text
    assert asking.closed(job) == [("question", "answered")]


def test_a_plan_is_approved_and_its_edits_go_on_without_asking(asking):
    """Only the plan is asked about: the edit after it is not."""
    write = call("Write", file_path=str(asking.project / "a.txt"), content="made\n")
    job = asking.prompt("\n".join([call("EnterPlanMode"), call("ExitPlanMode"), write]))
    with asking.site.worker():
        asking.on_request(asking.request(job)["id"], "allow(mode='acceptEdits')")
        asking.site.wait_for_status(job, "completed")
    assert (asking.project / "a.txt").exists()
    assert asking.closed(job) == [("plan", "answered")]


def test_an_answer_outlives_worker_and_agent_and_exactly_that_call_runs_once(asking):
    job = asking.prompt("RUN echo ran >> ran.txt")
    with asking.site.worker() as worker:
        request = asking.request(job)
        run = asking.run_of(job)
        worker.kill()
        worker.wait()
        os.kill(run["pid"], signal.SIGKILL)
        asking.on_request(request["id"], "allow()")
    assert not (asking.project / "ran.txt").exists()
    with asking.site.worker():
        asking.site.wait_for_status(job, "completed")
    assert (asking.project / "ran.txt").read_text() == "ran\n"
    assert asking.closed(job) == [("permission", "answered")]
    assert asking.prompts() == ["RUN echo ran >> ran.txt"]


def test_one_that_waits_long_is_parked_and_goes_on_after_the_answer(asking):
    asking.site.environment["POKECODE_REQUEST_WAIT"] = "1"
    job = asking.prompt("RUN echo ran >> ran.txt")
    with asking.site.worker():
        request = asking.request(job)
        parked = wait_for(lambda: [a for a in asking.site.attempts(job) if a["outcome"]])
        assert [attempt["outcome"] for attempt in parked] == ["parked"]
        assert processes_of_run(parked[0]["id"]) == []
        asking.on_request(request["id"], "allow()")
        row = asking.site.wait_for_status(job, "completed")
    assert (asking.project / "ran.txt").read_text() == "ran\n"
    assert asking.closed(job) == [("permission", "answered")]
    assert row["attempts"] == 1


@contextmanager
def running_tool(asking: Asking) -> Iterator[str]:
    """A job whose agent has begun to run a command, which ends once there is a file `go`."""
    command = "touch begun; while [ ! -e go ]; do sleep 0.05; done; echo over"
    session = asking.site.session("one", "--allowed-tool", "Bash")
    asking.session = session
    job = asking.prompt(f"RUN {command}")
    with asking.site.worker():
        wait_for((asking.project / "begun").exists)
        yield job


def test_what_it_is_told_while_a_tool_runs_it_reads_with_the_tool_s_result(asking, model):
    with running_tool(asking) as job:
        asking.on_job(job, "steer('SAY as you wish')")
        sent = "SELECT * FROM job_steers WHERE sent_at IS NOT NULL"
        wait_for(lambda: asking.site.rows(sent))
        (asking.project / "go").touch()
        asking.site.wait_for_status(job, "completed")
    assert "as you wish" in asking.site.manage("show_transcript", asking.session).stdout
    assert asking.prompts()[1:] == ["SAY as you wish"]
    assert len(model.prompts) == 2
    assert len(asking.site.rows("SELECT id FROM job_queue")) == 1


def test_interrupted_it_stops_and_its_conversation_goes_on(asking, model):
    with running_tool(asking) as job:
        run = asking.run_of(job)
        asking.on_job(job, "interrupt()")
        asking.site.wait_for_status(job, "cancelled")
        assert processes_of_run(run["id"]) == []
        following = asking.prompt("SAY here again")
        asking.site.wait_for_status(following, "completed")
    assert "touch begun" in model.prompts[-1].text
    assert "here again" in asking.site.manage("show_transcript", asking.session).stdout
