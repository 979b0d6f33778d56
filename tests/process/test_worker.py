"""The job processor as a user runs it: real commands, real processes, a fake agent."""

import json
import shlex
import signal
import string
import subprocess
import time
from contextlib import closing, suppress

import psutil
from django.utils.dateparse import parse_datetime

from tests.process.site import directive, processes_of_run, stop, wait_for


def starts_and_ends(log) -> list[str]:
    """ "start" and "end" of every agent that ran, from its own side, in order."""
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def test_a_prompt_is_run_and_its_transcript_kept(site):
    session = site.session()
    job = site.submit(session, "Say something")
    site.drain()
    assert site.job(job)["status"] == "completed"
    messages = site.messages(session)
    assert messages[0]["type"] == "user"
    assert json.loads(messages[0]["content_data"])["content"] == "Say something"
    assert messages[-1]["type"] == "result"
    row = site.session_row(session)
    assert row["message_count"] == len(messages)
    assert row["token_count"] == sum(message["token_count"] or 0 for message in messages)
    assert not row["is_working"]
    assert row["last_job_status"] == "completed"
    (attempt,) = site.attempts(job)
    assert (attempt["outcome"], attempt["exit_code"]) == ("succeeded", 0)
    assert site.rows("SELECT * FROM job_workers") == []


def test_the_agent_sees_none_of_our_secrets_and_no_prompt_in_its_arguments(site, tmp_path):
    dump = tmp_path / "dump.json"
    site.submit(site.session(), directive(env_dump=str(dump)))
    site.drain(PGPASSWORD="hidden", POKECODE_SECRET_KEY=string.printable[:62], DJANGO_X="hidden")
    seen = json.loads(dump.read_text())
    ours = [
        name
        for name in seen["environment"]
        if name.startswith(("POKECODE_", "PG", "DJANGO_")) or name == "DATABASE_URL"
    ]
    assert ours == ["POKECODE_RUN"]
    assert "FAKE" not in " ".join(seen["argv"])


def test_a_run_knows_the_commits_before_and_after_it(site, tmp_path):
    session = site.session()
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    commit = [*git, "commit", "--quiet", "--allow-empty", "--message=Work"]
    project = site.projects / "one"
    for command in (["git", "init", "--quiet"], commit):
        subprocess.run(command, cwd=project, check=True)
    agent = tmp_path / "agent.sh"
    result = json.dumps({"type": "result", "subtype": "success", "is_error": False})
    agent.write_text(f"read -r prompt\n{shlex.join(commit)}\necho {shlex.quote(result)}\n")
    before = head(project)
    job = site.submit(session, "Commit something")
    site.drain(POKECODE_CLAUDE_COMMAND=f"/bin/sh {agent}")
    (attempt,) = site.attempts(job)
    assert attempt["outcome"] == "succeeded"
    assert (attempt["git_head_before"], attempt["git_head_after"]) == (before, head(project))
    assert before != head(project)


def head(project) -> str:
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=project, text=True).strip()


def test_the_second_prompt_resumes_the_conversation_of_the_first(site, tmp_path):
    dump = tmp_path / "dump.json"
    for provider in ("claude-code", "codex-cli"):
        session = site.session(provider, "--provider", provider)
        site.submit(session, "First")
        site.submit(session, directive(env_dump=str(dump)))
        site.drain()
        seen = json.loads(dump.read_text())
        (conversation,) = {
            message["provider_session_id"]
            for message in site.messages(session)
            if message["provider_session_id"]
        }
        opened = seen.get("thread", {}).get("threadId")
        assert opened == conversation or f"--resume={conversation}" in seen["argv"]


def test_an_id_that_no_tool_resumes_gives_way_to_the_conversation_before_it(site, tmp_path):
    session, dump = site.session(), tmp_path / "dump.json"
    site.submit(session, "First")
    events = [
        {"type": kind, "session_id": "tag-7", "is_error": False} for kind in ("user", "result")
    ]
    site.submit(session, directive(lines=[json.dumps(event) for event in events]))
    last = site.submit(session, directive(env_dump=str(dump)))
    site.drain()
    assert site.job(last)["status"] == "completed"
    (first, *_) = (
        m["provider_session_id"] for m in site.messages(session) if m["type"] == "result"
    )
    assert f"--resume={first}" in json.loads(dump.read_text())["argv"]


def test_cancelling_a_running_job_ends_all_that_it_started(site, tmp_path):
    session = site.session()
    left = str(tmp_path / "left")
    job = site.submit(session, directive(sleep=600, spawn_detached=left, ignore_signals=True))
    with site.worker():
        (attempt,) = wait_for(lambda: [run for run in site.attempts(job) if run["pid"]])
        wait_for(lambda: len(processes_of_run(attempt["id"])) >= 2)
        site.manage("cancel_jobs", job)
        site.wait_for_status(job, "cancelled")
        assert processes_of_run(attempt["id"]) == []
        assert not psutil.pid_exists(attempt["pid"])
    assert not site.session_row(session)["is_working"]


def test_the_first_signal_lets_running_jobs_finish_and_takes_no_more(site, tmp_path):
    log, gate = tmp_path / "log", tmp_path / "gate"
    first = site.submit(site.session("one"), directive(wait_for=str(gate), log=str(log)))
    with site.worker("--concurrency", "1") as worker:
        wait_for(lambda: starts_and_ends(log) == ["start"])
        second = site.submit(site.session("two"), directive(log=str(log)))
        worker.send_signal(signal.SIGTERM)
        wait_for(lambda: "Stopping once" in site.log())
        gate.touch()
        assert worker.wait(30) == 0
    assert site.job(first)["status"] == "completed"
    assert site.job(second)["status"] == "pending"
    assert starts_and_ends(log) == ["start", "end"]


def test_the_second_signal_gives_the_jobs_back_without_loss_of_an_attempt(site, tmp_path):
    log = tmp_path / "log"
    job = site.submit(site.session(), directive(sleep=600, log=str(log)))
    with site.worker() as worker:
        wait_for(lambda: starts_and_ends(log) == ["start"])
        worker.send_signal(signal.SIGINT)
        wait_for(lambda: "Stopping once" in site.log())
        assert stop(worker, signal.SIGINT) == 0
    row = site.job(job)
    assert (row["status"], row["attempts"], row["next_retry_at"]) == ("pending", 0, None)
    (attempt,) = site.attempts(job)
    assert attempt["outcome"] == "interrupted"
    assert processes_of_run(attempt["id"]) == []


def test_signals_up_to_the_very_end_do_not_change_the_exit_code(site):
    with site.worker() as worker:
        wait_for(lambda: "slots" in site.log())
        while worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
            worker.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                worker.wait(0.001)
        assert worker.returncode == 0
    assert site.rows("SELECT * FROM job_workers") == []


def test_after_a_kill_the_next_worker_ends_what_is_left_and_runs_the_job_again(site, tmp_path):
    log, marker = tmp_path / "log", tmp_path / "second"
    session = site.session()
    left = f"{log}.pid"
    job = site.submit(
        session, directive(sleep=600, log=str(log), spawn_detached=left, quick_if=str(marker))
    )
    with site.worker() as worker:
        wait_for(lambda: starts_and_ends(log) == ["start"])
        stop(worker, signal.SIGKILL)
    (attempt,) = site.attempts(job)
    assert processes_of_run(attempt["id"]) != []
    marker.touch()
    with site.worker():
        site.wait_for_status(job, "completed")
    first, second = site.attempts(job)
    assert (first["outcome"], second["outcome"]) == ("lost", "succeeded")
    assert processes_of_run(first["id"]) == []
    prompts = [row for row in site.messages(session) if row["type"] == "user"]
    assert len([row for row in prompts if "pokecode_user_message" in row["content_data"]]) == 1


def test_a_job_that_kills_its_worker_each_time_fails_with_the_reason(site):
    session = site.session()
    job = site.submit(session, directive(kill_worker=True))
    after = site.submit(session, "Go on")
    for _ in range(3):
        with site.worker() as worker:
            assert worker.wait(30) == -signal.SIGKILL
        site.manage("rescue_jobs")
        with closing(site.database.connect()) as link, link:
            link.execute("UPDATE job_queue SET next_retry_at = NULL")
    row = site.job(job)
    assert (row["status"], row["attempts"]) == ("failed", 3)
    assert "died during this attempt, the last of 3" in row["error"]
    assert {run["outcome"] for run in site.attempts(job)} == {"lost"}
    site.drain()
    assert site.job(after)["status"] == "completed"


def test_a_job_at_a_limit_waits_for_its_end_and_no_longer_also_after_a_restart(site):
    until = int(time.time()) + 10
    job = site.submit(site.session(), directive(limited_until=until))
    with site.worker() as worker:
        wait_for(lambda: site.job(job)["next_retry_at"])
        stop(worker, signal.SIGKILL)
    with site.worker():
        site.wait_for_status(job, "completed")
    limited, done = site.attempts(job)
    assert (limited["outcome"], done["outcome"]) == ("rate_limited", "succeeded")
    assert parse_datetime(f"{done['started_at']}+00:00").timestamp() >= until
    assert site.job(job)["attempts"] == 1


def test_a_lease_whose_claim_was_never_heard_of_is_given_back(site):
    job = site.submit(site.session(), "Do it")
    with site.worker():
        site.wait_for_status(job, "completed")
        (worker,) = site.rows("SELECT * FROM job_workers")
        with closing(site.database.connect()) as link, link:
            link.execute("UPDATE job_queue SET status = 'processing', attempts = 1")
            link.execute("UPDATE job_attempts SET finished_at = NULL, outcome = NULL")
        site.wait_for_status(job, "completed")
    first, second = site.attempts(job)
    assert (first["outcome"], second["outcome"]) == ("interrupted", "succeeded")
    assert first["worker_id"] == worker["id"]


def test_many_sessions_run_at_once_and_one_session_in_order(site, tmp_path):
    log = tmp_path / "log"
    sessions = [site.session(f"s{number}") for number in range(3)]
    jobs = [site.submit(session, directive(sleep=0.2, log=str(log))) for session in sessions * 2]
    site.drain()
    assert {site.job(job)["status"] for job in jobs} == {"completed"}
    assert starts_and_ends(log)[:3] == ["start"] * 3
    for session in sessions:
        runs = site.rows("SELECT * FROM job_attempts WHERE session_id = ? ORDER BY id", session)
        assert runs[0]["finished_at"] <= runs[1]["started_at"]


def test_a_waiting_worker_starts_a_job_when_it_is_submitted(site):
    session = site.session()
    with site.worker():
        wait_for(lambda: site.rows("SELECT * FROM job_workers"))
        job = site.submit(session, "Now")
        site.wait_for_status(job, "completed")
    assert site.job(job)["attempts"] == 1


def test_submit_with_wait_follows_the_transcript_and_exits_as_the_job_ended(site):
    session = site.session()
    site.environment["POKECODE_JOB_MAX_ATTEMPTS"] = "1"
    with site.worker():
        good = site.manage("submit_prompt", session, "Say hello", "--wait")
        bad = site.manage(
            "submit_prompt", session, directive(lines=[], exit=1), "--wait", check=False
        )
    assert good.returncode == 0
    assert "Say hello" in good.stdout
    assert bad.returncode == 1
    assert bad.stderr.strip()


def test_a_worker_deletes_old_jobs_by_itself_and_keeps_their_messages(site):
    session = site.session()
    old, recent = (site.submit(session, text) for text in ("Long ago", "Now"))
    site.drain()
    messages = site.messages(session)
    with closing(site.database.connect()) as link, link:
        link.execute("UPDATE job_queue SET completed_at = '2001-01-01' WHERE id = ?", [old])
    with site.worker():
        wait_for(lambda: site.attempts(old) == [], what="the old job's end")
    assert [row["id"] for row in site.rows("SELECT id FROM job_queue")] == [recent]
    assert site.messages(session) == messages
