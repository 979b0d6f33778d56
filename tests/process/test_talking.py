"""Agents that ask and people who answer, through the deaths of whoever waits: a real worker, a
fake Claude."""

import json
import os
import signal

import pytest

from tests.process.person import Person
from tests.process.running import Up
from tests.process.site import directive, processes_of_run, stop, wait_for

CALL = {"tool": "Bash", "input": {"command": "make"}}


@pytest.fixture
def calls(tmp_path):
    return tmp_path / "calls"


@pytest.fixture
def person(site):
    with Person(site) as somebody:
        yield somebody


def asking(calls, *asked, **more) -> str:
    return directive(ask=list(asked) or [CALL], calls=str(calls), **more)


def done(calls) -> list[tuple[str, str]]:
    """What became of the calls, from the agent's own side, in order."""
    lines = calls.read_text().splitlines() if calls.exists() else []
    told = [json.loads(line) for line in lines]
    return [
        (each["event"], each["input"]["command"] if each["event"] == "ran" else "")
        for each in told
        if each["event"] != "asked"
    ]


def wait_for_question(site) -> str:
    """The request that is open."""

    def asked():
        return site.rows("SELECT * FROM job_requests WHERE answered_at IS NULL")

    return wait_for(asked, what=f"a question; log: {site.log()[-2000:]}")[0]["id"]


def outcomes(site, job) -> list[str]:
    return [attempt["outcome"] for attempt in site.attempts(job)]


def test_an_agent_asks_is_answered_and_goes_on_in_the_same_run(site, person, calls):
    job = site.submit(site.session(), asking(calls))
    with site.worker():
        person.act("allow", wait_for_question(site))
        site.wait_for_status(job, "completed")
    assert done(calls) == [("ran", "make")]
    assert outcomes(site, job) == ["succeeded"]


@pytest.mark.parametrize("is_answered_first", [False, True])
def test_after_a_kill_of_its_worker_nothing_goes_on_until_the_next_one_ends_it(
    site, person, calls, is_answered_first
):
    job = site.submit(site.session(), asking(calls))
    with site.worker() as worker:
        request = wait_for_question(site)
        stop(worker, signal.SIGKILL)
    [attempt] = site.attempts(job)
    assert processes_of_run(attempt["id"]) == [attempt["pid"]]
    if is_answered_first:
        person.act("allow", request)
    with site.worker():
        wait_for(lambda: site.attempts(job)[0]["outcome"])
        assert processes_of_run(attempt["id"]) == []
        if not is_answered_first:
            assert done(calls) == []
            person.act("allow", request)
        site.wait_for_status(job, "completed")
    assert done(calls) == [("ran", "make")]
    assert outcomes(site, job) == ["lost", "succeeded"]
    assert site.job(job)["attempts"] == 1
    assert len(site.rows("SELECT id FROM job_requests")) == 1


def test_where_up_runs_the_worker_its_next_one_ends_what_waits(site, person, calls):
    job = site.submit(site.session(), asking(calls))
    with Up(site.directory / "home", environment=site.environment) as up:
        request = wait_for_question(site)
        [attempt] = site.attempts(job)
        [worker] = up.workers()
        worker.kill()
        wait_for(lambda: site.attempts(job)[0]["outcome"] == "lost")
        assert processes_of_run(attempt["id"]) == []
        person.act("allow", request)
        site.wait_for_status(job, "completed")
    assert done(calls) == [("ran", "make")]


def test_an_agent_that_dies_while_it_waits_is_answered_in_its_next_run(site, person, calls):
    job = site.submit(site.session(), asking(calls))
    with site.worker():
        request = wait_for_question(site)
        [attempt] = site.attempts(job)
        for pid in processes_of_run(attempt["id"]):
            os.kill(pid, signal.SIGKILL)
        site.wait_for_status(job, "pending")
        person.act("allow", request, input={"command": "make -j"})
        site.wait_for_status(job, "completed")
    assert done(calls) == [("ran", "make -j")]
    assert outcomes(site, job) == ["failed", "succeeded"]
    assert site.job(job)["attempts"] == 1


def test_who_is_not_answered_is_parked_and_its_slot_is_free(site, person, calls):
    session = site.session()
    job = site.submit(session, asking(calls))
    behind = site.submit(session, "Then that")
    other = site.submit(site.session("two"), "Other work")
    site.drain(POKECODE_REQUEST_WAIT="1", POKECODE_WORKER_CONCURRENCY="1")
    assert site.job(other)["status"] == "completed"
    assert [site.job(each)["status"] for each in (job, behind)] == ["pending", "pending"]
    [attempt] = site.attempts(job)
    assert (attempt["outcome"], processes_of_run(attempt["id"])) == ("parked", [])
    person.act("allow", wait_for_question(site))
    site.drain()
    assert [site.job(each)["status"] for each in (job, behind)] == ["completed", "completed"]
    assert done(calls) == [("ran", "make")]
    assert outcomes(site, job) == ["parked", "succeeded"]
    [request] = site.rows("SELECT * FROM job_requests")
    assert request["closed_why"] == "answered"


def test_a_worker_that_is_told_to_end_waits_for_nobody(site, person, calls, tmp_path):
    waiting = site.submit(site.session("one"), asking(calls))
    gate = tmp_path / "gate"
    later = site.submit(
        site.session("two"), asking(tmp_path / "later", {**CALL, "after": str(gate)})
    )
    with site.worker() as worker:
        wait_for_question(site)
        wait_for(lambda: [run for run in site.attempts(later) if run["pid"]])
        worker.send_signal(signal.SIGTERM)
        wait_for(lambda: outcomes(site, waiting) == ["parked"])
        gate.touch()
        assert worker.wait(30) == 0
    assert outcomes(site, later) == ["parked"]
    assert [site.job(job)["attempts"] for job in (waiting, later)] == [0, 0]
    assert len(site.rows("SELECT * FROM job_requests WHERE answered_at IS NULL")) == 2


def test_what_it_waits_is_not_counted_into_its_time(site, person, calls):
    job = site.submit(site.session(), asking(calls))
    with site.worker(POKECODE_JOB_TIMEOUT="3"):
        request = wait_for_question(site)
        [attempt] = site.attempts(job)
        with pytest.raises(AssertionError):
            wait_for(lambda: site.attempts(job)[0]["outcome"], timeout=4)
        person.act("allow", request)
        site.wait_for_status(job, "completed")
    assert done(calls) == [("ran", "make")]


def test_cancelling_it_ends_what_waits_and_nobody_is_asked_any_more(site, person, calls):
    job = site.submit(site.session(), asking(calls))
    with site.worker():
        wait_for_question(site)
        person.act("cancel", job)
        site.wait_for_status(job, "cancelled")
    assert done(calls) == []
    [request] = site.rows("SELECT * FROM job_requests")
    assert request["closed_why"] == "run ended"


def test_denied_and_stopped_ends_the_job(site, person, calls):
    job = site.submit(site.session(), asking(calls))
    with site.worker():
        person.act("deny", wait_for_question(site), stop=True)
        site.wait_for_status(job, "cancelled")
    assert site.job(job)["error"] == "The agent's turn was stopped."
    assert ("ran", "make") not in done(calls)


# --- told and interrupted -------------------------------------------------------------


def texts(site, session) -> list[str]:
    return [row["content_data"] for row in site.messages(session) if row["type"] == "user"]


def test_what_it_is_told_is_heard_in_its_turn_and_a_message_once(site, person, calls):
    session = site.session()
    job = site.submit(session, asking(calls))
    with site.worker():
        request = wait_for_question(site)
        person.act("steer", job, text="Hurry up")
        wait_for(lambda: site.rows("SELECT * FROM job_steers WHERE read_at IS NOT NULL"))
        person.act("allow", request)
        site.wait_for_status(job, "completed")
    assert sum("Hurry up" in text for text in texts(site, session)) == 1
    assert len(site.rows("SELECT id FROM job_queue")) == 1


def test_an_interrupted_turn_ends_its_job(site, person, tmp_path):
    session = site.session()
    job = site.submit(session, directive(wait_for=str(tmp_path / "never")))
    with site.worker():
        wait_for(lambda: [run for run in site.attempts(job) if run["pid"]])
        wait_for(lambda: [row for row in site.messages(session) if row["type"] == "assistant"])
        person.act("interrupt", job)
        site.wait_for_status(job, "cancelled")
    assert site.job(job)["error"] == "The agent's turn was stopped."
    assert outcomes(site, job) == ["cancelled"]


def test_what_it_was_told_before_the_interrupt_goes_on_in_the_same_run(site, person, tmp_path):
    session = site.session()
    never = str(tmp_path / "never")
    job = site.submit(session, directive(wait_for=never, hears="after"))
    with site.worker():
        wait_for(lambda: [row for row in site.messages(session) if row["type"] == "assistant"])
        person.act("steer", job, text="Do this instead")
        wait_for(lambda: site.rows("SELECT * FROM job_steers WHERE sent_at IS NOT NULL"))
        person.act("interrupt", job)
        site.wait_for_status(job, "completed")
    assert outcomes(site, job) == ["succeeded"]
    assert sum("Do this instead" in text for text in texts(site, session)) == 1
