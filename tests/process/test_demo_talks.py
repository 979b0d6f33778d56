"""The demo agent asks, is answered, told things and interrupted, by a real worker."""

import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs_app.demo import project
from sessions_app.providers.display import display_message
from sessions_app.providers.shapes import Text, Unknown
from tests.process.person import Person, queue
from tests.process.site import ROOT, Database, Site, stop, wait_for

PROGRAM = ROOT / "jobs_app" / "demo" / "agent.py"
NAMES = {"claude": "claude-code", "codex": "codex-cli"}
TOOLS = pytest.mark.parametrize("tool", list(NAMES))
QUESTIONS = {"claude": "What shall the notes tell?", "codex": "notes"}


pytestmark = [pytest.mark.long, pytest.mark.xdist_group("demo")]


class Talked:
    """What came of a session with the demo agent, whose person did as `scenario` says."""

    def __init__(self, site: Site, tool: str, scenario: str, session: str, job: str) -> None:
        self.site = site
        self.tool = tool
        self.scenario = scenario
        self.session = session
        self.job = job
        self.notes = site.projects / f"{scenario}-{tool}" / "NOTES.md"

    @property
    def requests(self) -> list[dict]:
        return self.site.rows("SELECT * FROM job_requests WHERE job_id = ? ORDER BY id", self.job)

    @property
    def outcomes(self) -> list[str]:
        return [attempt["outcome"] for attempt in self.site.attempts(self.job)]

    @property
    def shapes(self) -> list:
        rows = self.site.messages(self.session)
        told = [(NAMES[self.tool], row["type"], row["content_data"], "/") for row in rows]
        return [shape for each in told for shape in display_message(*each)]

    @property
    def text(self) -> str:
        return "\n".join(shape.markdown for shape in self.shapes if isinstance(shape, Text))

    def wait_for_request(self, kind: str) -> str:
        def asked() -> str | None:
            open_ones = [row["id"] for row in self.requests if row["answered_at"] is None]
            return open_ones[0] if open_ones and self.requests[-1]["kind"] == kind else None

        what = f"{self.scenario} of {self.tool} asks for a {kind}: {self.site.log()}"
        return wait_for(asked, 60, what)

    def choose(self, person: Person, answer: str) -> None:
        asked = self.wait_for_request("question")
        person.act("reply", asked, answers={QUESTIONS[self.tool]: answer})


def allows(talk: Talked, person: Person) -> None:
    talk.choose(person, "The files")
    person.act("allow", talk.wait_for_request("permission"))


def denies(talk: Talked, person: Person) -> None:
    talk.choose(person, "The history")
    person.act("deny", talk.wait_for_request("permission"), why="Not in this project.")


def types(talk: Talked, person: Person) -> None:
    talk.choose(person, 'That it\'s "mine"; $(touch canary)')
    person.act("allow", talk.wait_for_request("permission"), for_session=True)


def answers_late(talk: Talked, person: Person) -> None:
    """After the process that asked has been ended, both times."""
    wait_for(lambda: talk.outcomes == ["parked"], 60, "parked")
    talk.choose(person, "The files")
    wait_for(lambda: talk.outcomes == ["parked", "parked"], 60, "parked again")
    person.act("allow", talk.wait_for_request("permission"))


def denies_late(talk: Talked, person: Person) -> None:
    wait_for(lambda: talk.outcomes == ["parked"], 60, "parked")
    person.act("deny", talk.wait_for_request("question"))


def tells_and_interrupts(talk: Talked, person: Person) -> None:
    wait_for(lambda: talk.site.messages(talk.session), 60, "it works")
    person.act("steer", talk.job, text="Show me the diff too.")
    read = "SELECT id FROM job_steers WHERE job_id = ? AND read_at IS NOT NULL"
    wait_for(lambda: talk.site.rows(read, talk.job), 60, "it has read that")
    wait_for(lambda: "Show me the diff too." in talk.text, 60, "it answers")
    person.act("interrupt", talk.job)


SCENARIOS = (allows, denies, types, answers_late, denies_late, tells_and_interrupts)
PATIENT = {"POKECODE_REQUEST_WAIT": "300", "POKECODE_CANCEL_GRACE": "5"}


@pytest.fixture(scope="module")
def talks(tmp_path_factory, migrated_data_directory) -> dict[tuple[str, str], Talked]:
    """All scenarios with both tools, run by one worker; those that come late by another."""
    directory = tmp_path_factory.mktemp("talks")
    site = Site(directory, Database(directory, migrated_data_directory))
    sample = directory / "sample"
    project.create(sample)
    for tool in NAMES:
        command = f"{sys.executable} -I {PROGRAM} {tool}"
        site.environment[f"POKECODE_{tool.upper()}_COMMAND"] = command
    found: dict[Any, Any] = {}
    with Person(site) as person:
        for is_late in (False, True):
            chosen = [each for each in SCENARIOS if ("late" in each.__name__) == is_late]
            talked = begin(site, sample, chosen)
            wait = {"POKECODE_REQUEST_WAIT": "1"} if is_late else {}
            with site.worker("--concurrency=8", **{**PATIENT, **wait}) as worker:
                for scenario in chosen:
                    for tool in NAMES:
                        scenario(talked[scenario.__name__, tool], person)
                for talk in talked.values():
                    site.wait_for_status(talk.job, "completed", "cancelled", timeout=60)
                assert stop(worker, signal.SIGTERM) == 0
            found |= talked
    return found


def begin(site: Site, sample: Path, scenarios) -> dict[tuple[str, str], Talked]:
    wanted = []
    for scenario in scenarios:
        words = " Be slow." if scenario is tells_and_interrupts else ""
        for tool, provider in NAMES.items():
            name = f"{scenario.__name__}-{tool}"
            shutil.copytree(sample, site.projects / name)
            wanted.append((name, provider, f"A short tour, and notes of it.{words}"))
    queued = queue(site, wanted)
    return {
        (name, tool): Talked(site, tool, name, *queued[f"{name}-{tool}"])
        for name, _, tool in (key.rpartition("-") for key in queued)
    }


@TOOLS
def test_it_writes_what_was_chosen_if_it_is_allowed(talks, tool):
    talk = talks["allows", tool]
    assert talk.notes.read_text().startswith("# Notes on Tea timer\n\n- tea.py: 22 lines\n")
    assert [row["kind"] for row in talk.requests] == ["question", "permission"]
    assert "The notes are in `NOTES.md`" in talk.text
    assert talk.outcomes == ["succeeded"]


@TOOLS
def test_it_writes_nothing_if_that_is_denied_and_says_so(talks, tool):
    talk = talks["denies", tool]
    assert not talk.notes.exists()
    assert "I was not allowed to" in talk.text
    assert talk.outcomes == ["succeeded"]


@TOOLS
def test_a_typed_answer_is_written_as_it_is_and_never_run(talks, tool):
    talk = talks["types", tool]
    assert talk.notes.read_text() == (
        '# Notes on Tea timer\n\nThat it\'s "mine"; $(touch canary)\n'
    )
    assert not talk.notes.with_name("canary").exists()


@TOOLS
def test_it_goes_on_from_answers_that_come_after_its_process_has_ended(talks, tool):
    talk = talks["answers_late", tool]
    assert talk.outcomes == ["parked", "parked", "succeeded"]
    assert [row["closed_why"] for row in talk.requests] == ["answered", "answered"]
    assert "- tea.py: 22 lines" in talk.notes.read_text()


@TOOLS
def test_a_question_that_is_denied_late_is_not_asked_again(talks, tool):
    talk = talks["denies_late", tool]
    assert (talk.outcomes, len(talk.requests)) == (["parked", "succeeded"], 1)
    assert "my question was not answered" in talk.text
    assert not talk.notes.exists()


@TOOLS
def test_it_answers_what_it_is_told_and_can_be_interrupted(talks, tool):
    talk = talks["tells_and_interrupts", tool]
    assert talk.outcomes == ["cancelled"]
    assert "> Show me the diff too." in talk.text
    assert talk.requests == []


def test_nothing_of_its_talk_is_unknown_to_the_display(talks):
    shapes = [shape for talk in talks.values() for shape in talk.shapes]
    assert [shape for shape in shapes if isinstance(shape, Unknown)] == []
