"""The commands of the queue: what they print, and one clear sentence for each mistake."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs_app.models import Job
from jobs_app.outcomes import Outcome
from sessions_app.models import Session
from tests.asked import ask, bash
from tests.leasing import claim, end

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue().strip()


def test_create_session_prints_the_id_of_a_session_with_all_that_is_known(git_project):
    session_id = run(
        "create_session", str(git_project), "--context", "Be brief.", "--allowed-tool", "Read"
    )
    session = Session.objects.get(pk=session_id)
    assert (session.name, session.provider, session.context) == (
        "project",
        "claude-code",
        "Be brief.",
    )
    assert session.metadata == {"branch": "main", "allowedTools": ["Read"]}
    assert session.claude_directory_path.endswith("-project")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing", "There is no directory"),
        ("file", "is a file: give the project's directory"),
        ("link", "is outside the project roots"),
        ("/etc", "is outside the project roots"),
        ("a\x00b", "cannot be opened"),
    ],
)
def test_a_wrong_path_is_refused_in_one_sentence(tmp_path, path, sentence):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(CommandError, match=sentence):
        run("create_session", str(tmp_path / path))
    assert not Session.objects.exists()


def test_an_unknown_provider_is_refused(project):
    with pytest.raises(CommandError, match="invalid choice: 'gpt'"):
        run("create_session", str(project), "--provider", "gpt")


def test_submit_prompt_prints_the_job_and_takes_a_part_of_the_session_id(session):
    job_id = run("submit_prompt", session.pk[-8:], "Do it", "--model", "opus")
    assert Job.objects.get(pk=job_id).data["model"] == "opus"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing-like-it", "Do it"], "matches no session"),
        (["not utf-8: \udcff", "Do it"], r"'not utf-8: \\\\xdcff' matches no session"),
        (["{session}", ""], "The prompt is empty"),
        (["{session}", "Do it", "--model", "a b"], "is not a model name"),
        (["{session}", "Do it", "--allowed-tool", "a,b"], "is not a tool"),
    ],
)
def test_submit_prompt_refuses_in_one_sentence(session, arguments, sentence):
    filled = [argument.format(session=session.pk) for argument in arguments]
    with pytest.raises(CommandError, match=sentence):
        run("submit_prompt", *filled)
    assert not Job.objects.exists()


def test_jobs_are_cancelled_by_id_session_and_status(session, make_session):
    one, two = (Job.objects.enqueue(session, text) for text in ("a", "b"))
    other = Job.objects.enqueue(make_session("other"), "c")
    assert run("cancel_jobs", one.pk) == "1 cancelled, 0 had ended already"
    assert run("cancel_jobs", "--session", session.pk) == "1 cancelled, 1 had ended already"
    assert run("cancel_jobs", "--status", "pending") == "1 cancelled, 0 had ended already"
    assert not Job.objects.unfinished().exists()
    assert run("retry_jobs", two.pk, other.pk).startswith("2 queued again")


def test_commands_on_jobs_need_a_selection_and_known_ids(session):
    with pytest.raises(CommandError, match="Name jobs by their ids"):
        run("cancel_jobs")
    with pytest.raises(CommandError, match="There is no job 'x'"):
        run("retry_jobs", "x")
    with pytest.raises(CommandError, match="There is no job"):
        run("retry_jobs", "\udcff")
    with pytest.raises(CommandError, match=r"choose from '?pending'?, '?processing'?\)"):
        run("cancel_jobs", "--status", "failed")


def test_retry_of_an_archived_session_says_what_to_do(session):
    job = Job.objects.enqueue(session, "Do it")
    job.cancel()
    Session.objects.update(state="inactive")
    with pytest.raises(CommandError, match="make it active again first"):
        run("retry_jobs", job.pk)


def test_a_job_that_is_refused_does_not_keep_the_others_from_their_turn(session, make_session):
    refused = [Job.objects.enqueue(session, text) for text in ("a", "b")]
    others = [Job.objects.enqueue(make_session("other"), text) for text in ("c", "d")]
    others[1].cancel()
    for job in refused:
        job.cancel()
    Session.objects.filter(pk=session.pk).update(state="inactive")
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("retry_jobs", *(job.pk for job in [*refused, *others]), stdout=out)
    assert out.getvalue() == "1 queued again, 1 were not failed or cancelled\n"
    assert str(caught.value) == ("2 refused: This session is archived: make it active again first.")
    assert set(Job.objects.pending()) == set(others)


def test_queue_status_tells_counts_runs_waits_and_workers(session, make_session, worker):
    running = Job.objects.enqueue(session, "Run me")
    claim(worker)
    waiting = Job.objects.enqueue(make_session("other"), "Wait")
    until = timezone.now() + timedelta(hours=1)
    (attempt,) = claim(worker)
    end(attempt, Outcome.RATE_LIMITED, "At the limit.", until=until)
    found = json.loads(run("queue_status", "--json"))
    assert found["jobs"] == {
        "pending": 1, "processing": 1, "completed": 0, "failed": 0, "cancelled": 0
    }  # fmt: skip
    assert [row["job"] for row in found["running"]] == [running.pk]
    assert [(row["job"], row["until"]) for row in found["waiting"]] == [
        (waiting.pk, until.isoformat())
    ]
    assert found["workers"][0]["alive"]
    text = run("queue_status")
    assert "pending 1" in text
    assert f"running  {running.pk}" in text
    assert "At the limit." in text


@pytest.mark.parametrize("is_parked", [False, True])
def test_queue_status_tells_which_jobs_wait_for_a_person(session, worker, is_parked):
    job = Job.objects.enqueue(session, "Do it")
    (attempt,) = claim(worker)
    ask(attempt, bash())
    if is_parked:
        end(attempt, Outcome.PARKED)
    found = json.loads(run("queue_status", "--json"))
    assert [row["job"] for row in found["parked"]] == [job.pk] * is_parked
    assert [row["waits_for_you"] for row in found["running"]] == [True] * (not is_parked)
    text = run("queue_status")
    assert f"waits for you  {job.pk}" in text
    assert "running  " not in text


def test_queue_status_says_when_no_worker_runs_and_hides_control_characters(session):
    Session.objects.update(name="\x1b]52;evil\x07")
    job = Job.objects.enqueue(session, "Do \x1b[31mit")
    Job.objects.filter(pk=job.pk).update(next_retry_at=timezone.now() + timedelta(hours=1))
    text = run("queue_status")
    assert "no worker is running" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_prune_counts_before_it_deletes(session):
    job = Job.objects.enqueue(session, "Do it")
    job.cancel()
    Job.objects.update(completed_at=timezone.now() - timedelta(days=3))
    assert run("prune_jobs") == "0 deleted"
    assert run("prune_jobs", "--days", "2", "--dry-run") == "1 would be deleted"
    assert run("prune_jobs", "--days", "2") == "1 deleted"


@pytest.mark.parametrize("number", ["0", "-1", "1e3", "9" * 5000])
@pytest.mark.parametrize("command", [("prune_jobs", "--days"), ("process_jobs", "--concurrency")])
def test_a_number_out_of_range_is_refused(db, command, number):
    with pytest.raises(CommandError, match="is not a whole number from 1 to"):
        run(*command, number)


def test_rescue_prints_its_counts(db):
    assert run("rescue_jobs") == "0 rescued, 0 left on other hosts"
