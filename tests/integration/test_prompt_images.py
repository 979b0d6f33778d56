"""Images of prompts in the queue: named by jobs and messages, and kept as long as one of them."""

import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection

from jobs_app import images, leases, queue
from jobs_app.models import Job, JobAttempt, JobOptions, PromptImage
from jobs_app.outcomes import Outcome
from jobs_app.worker import preparing, sweeps
from jobs_app.worker.settings import WorkerSettings
from sessions_app import image_files
from sessions_app.models import Session
from tests.leasing import claim, end
from tests.pictures import GIF, JPEG, PNG, SVG

pytestmark = [pytest.mark.queue, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def data_directory(settings, tmp_path):
    settings.POKECODE_DATA_DIR = tmp_path / "data"
    settings.POKECODE_DATA_DIR.mkdir()
    return settings.POKECODE_DATA_DIR


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "picture.png"
    file.write_bytes(PNG)
    return file


def files():
    directory = image_files.directory()
    return {path.read_bytes() for path in directory.iterdir()} if directory.exists() else set()


def make_old():
    for path in image_files.directory().iterdir():
        os.utime(path, (time.time() - 2 * images.A_DAY,) * 2)


def prompts(session):
    return [json.loads(row.content_data) for row in session.messages.order_by("pk")]


def prepared_turn(worker):
    (claimed,) = leases.claim(worker)
    return preparing._turn(claimed, WorkerSettings.read())


def test_a_job_names_its_images_in_order_and_its_message_too(session, worker, picture, tmp_path):
    (tmp_path / "b.gif").write_bytes(GIF)
    Job.objects.enqueue(session, "Look", images=[picture, tmp_path / "b.gif", picture])
    claim(worker)
    (prompt,) = prompts(session)
    assert [image["type"] for image in prompt["images"]] == ["image/png", "image/gif"]
    assert [image["size"] for image in prompt["images"]] == [len(PNG), len(GIF)]
    assert files() == {PNG, GIF}


def test_a_prompt_without_images_is_as_it_was(session, worker):
    Job.objects.enqueue(session, "Look")
    claim(worker)
    assert "images" not in prompts(session)[0]
    assert not JobOptions.objects.exists()


def test_the_agent_gets_the_files(session, worker, picture):
    Job.objects.enqueue(session, "Look", images=[picture])
    turn = prepared_turn(worker)
    assert [(Path(image.path).read_bytes(), image.type) for image in turn.images] == [
        (PNG, "image/png")
    ]


def test_a_prompt_that_is_made_again_brings_its_images_again_and_is_shown_once(
    session, worker, picture
):
    Job.objects.enqueue(session, "Look", images=[picture])
    (attempt,) = claim(worker)
    end(attempt, Outcome.FAILED, "No.")
    Job.objects.update(next_retry_at=None)
    assert len(prepared_turn(worker).images) == 1
    assert len(prompts(session)) == 1


def test_with_an_answer_to_give_nothing_is_said_again(session, worker, picture):
    Job.objects.enqueue(session, "Look", images=[picture])
    (claimed,) = leases.claim(worker)
    request = SimpleNamespace(asked=None, given={})
    answered = replace(claimed, facts=replace(claimed.facts, answered=[request]))
    assert preparing._turn(answered, WorkerSettings.read()).images == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "not in the data directory of this host"),
        (lambda path: path.write_bytes(GIF), "changed on the disk"),
        (lambda path: path.write_bytes(b""), "changed on the disk"),
    ],
    ids=["gone", "changed", "empty"],
)
def test_a_file_that_is_not_what_was_queued_is_refused(session, worker, picture, spoil, words):
    Job.objects.enqueue(session, "Look", images=[picture])
    spoil(next(image_files.directory().iterdir()))
    with pytest.raises(ValidationError, match=words):
        prepared_turn(worker)


@pytest.mark.parametrize("row", ['"x"', "{}", '[{"hash": "../x"}]', "not JSON", "[1]"])
def test_a_row_that_was_changed_behind_our_back_stops_only_its_own_job(
    session, make_session, worker, picture, row
):
    Job.objects.enqueue(session, "Look", images=[picture])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE job_options SET images = %s", [row])
    Job.objects.enqueue(make_session("other"), "Look")
    first, second = leases.claim(worker, 2)
    assert "images" not in prompts(session)[0]
    assert preparing._turn(second, WorkerSettings.read()).images == []
    if row != "not JSON" and row != "{}":  # which name nothing at all
        with pytest.raises(ValidationError):
            preparing._turn(first, WorkerSettings.read())


def test_too_many_are_refused_and_nothing_is_queued(session, tmp_path):
    paths = []
    for number in range(11):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(PNG + bytes([number]))
    with pytest.raises(ValidationError, match="may have 10 images of 20 MB together"):
        Job.objects.enqueue(session, "Look", images=paths)
    for path in paths[:5]:
        path.write_bytes(path.read_bytes() + bytes(4_500_000))
    with pytest.raises(ValidationError, match="20 MB together"):
        Job.objects.enqueue(session, "Look", images=paths[:5])
    assert not Job.objects.exists()
    assert len(Job.objects.enqueue(session, "Look", images=paths[5:9]).options.images) == 4


def test_an_image_that_is_gone_before_its_prompt_is_queued_is_asked_for_again(session, picture):
    image = image_files.store_file(picture)
    image.path.unlink()
    with pytest.raises(ValidationError, match="add the image again"):
        Job.objects.enqueue(session, "Look", images=[image])
    assert not Job.objects.exists()


# --- editing --------------------------------------------------------------------


def test_an_edit_keeps_the_images_unless_it_says_otherwise(session, picture):
    job = Job.objects.enqueue(session, "Look", images=[picture])
    queue.edit(job, prompt="Look closely")
    assert [image.size for image in images.of_job(job)] == [len(PNG)]
    queue.edit(job, prompt="Look closely", images=[])
    assert images.of_job(job) == []


def test_a_prompt_with_other_images_is_shown_again(session, worker, picture, tmp_path):
    job = Job.objects.enqueue(session, "Look", images=[picture])
    (attempt,) = claim(worker)
    end(attempt, Outcome.FAILED, "No.")
    queue.edit(job, prompt="Look", images=[picture])
    (tmp_path / "b").write_bytes(GIF)
    Job.objects.update(next_retry_at=None)
    (attempt,) = claim(worker)
    end(attempt, Outcome.FAILED, "No.")
    assert len(prompts(session)) == 1
    queue.edit(job, prompt="Look", images=[tmp_path / "b"])
    Job.objects.update(next_retry_at=None)
    claim(worker)
    assert [row["images"][0]["type"] for row in prompts(session)] == ["image/png", "image/gif"]


# --- the command ------------------------------------------------------------------


def test_submit_prompt_takes_files(session, picture, capsys):
    call_command("submit_prompt", session.pk, "Look", "--image", str(picture))
    job = Job.objects.get(pk=capsys.readouterr().out.strip())
    assert [image.type for image in images.of_job(job)] == ["image/png"]


def test_submit_prompt_says_which_file_it_does_not_take(session, picture, tmp_path):
    bad = tmp_path / "x.png"
    bad.write_bytes(SVG)
    with pytest.raises(CommandError, match=r"x\.png': This is no image"):
        call_command("submit_prompt", session.pk, "Look", f"--image={picture}", f"--image={bad}")
    assert not Job.objects.exists()


# --- removing -----------------------------------------------------------------


def test_a_sweep_keeps_what_a_job_or_a_message_names(session, make_session, worker, tmp_path):
    for name, content in (("a", PNG), ("b", GIF), ("c", JPEG)):
        (tmp_path / name).write_bytes(content)
    done = Job.objects.enqueue(make_session("done"), "Look", images=[tmp_path / "a"])
    (attempt,) = claim(worker)
    end(attempt, Outcome.SUCCEEDED)
    queue.remove([done])  # its message stays, and shows the image
    Job.objects.enqueue(session, "Look", images=[tmp_path / "b"])
    image_files.store(JPEG)  # uploaded, never queued
    make_old()
    assert images.sweep() == 1
    assert files() == {PNG, GIF}
    attempt.session.messages.all().delete()
    make_old()
    assert images.sweep() == 1
    assert files() == {GIF}


def test_what_was_just_uploaded_is_kept():
    image_files.store(PNG)
    assert images.sweep() == 0
    assert files() == {PNG}


def test_with_its_session_an_image_is_gone_at_once_unless_another_has_it(
    session, make_session, worker, picture, django_capture_on_commit_callbacks
):
    other = make_session("other")
    for each in (session, other):
        Job.objects.enqueue(each, "Look", images=[picture])
    for attempt in claim(worker, 2):
        end(attempt, Outcome.SUCCEEDED)
    for each, left in ((session, {PNG}), (other, set())):
        with django_capture_on_commit_callbacks(execute=True):
            images.forget_later(sessions=[each.pk])
            each.delete()
        assert files() == left
    assert not PromptImage.objects.exists()


def test_with_a_job_that_has_not_run_its_image_is_gone(
    session, picture, django_capture_on_commit_callbacks
):
    job = Job.objects.enqueue(session, "Look", images=[picture])
    with django_capture_on_commit_callbacks(execute=True):
        queue.remove([job])
    assert files() == set()


def test_pruning_sweeps_and_a_dry_run_does_not(session, picture):
    image_files.store_file(picture)
    make_old()
    sweeps.prune(30, dry_run=True)
    assert files() == {PNG}
    sweeps.prune(30)
    assert files() == set()


@pytest.mark.django_db(transaction=True)
def test_no_sweep_takes_a_file_from_a_prompt_that_is_queued_meanwhile(
    session, picture, monkeypatch
):
    """The same picture is queued and its job removed, over and over, while others sweep without
    the day that an upload has."""
    monkeypatch.setattr(images, "A_DAY", 0)
    removed, over = [], threading.Event()

    def keep_sweeping():
        try:
            while not over.is_set():
                removed.append(images.sweep())
        finally:
            connection.close()

    sweepers = [threading.Thread(target=keep_sweeping) for _ in range(2)]
    for thread in sweepers:
        thread.start()
    queued = 0
    try:
        deadline = time.monotonic() + 60
        while queued < 30 and time.monotonic() < deadline:
            try:
                job = Job.objects.enqueue(session, "Look", images=[picture])
            except ValidationError as refusal:  # swept between its upload and the queue: loudly
                assert refusal.messages[0] in (image_files.GONE, image_files.BUSY)
                continue
            queued += 1
            (image,) = images.of_job(job)
            assert image_files.read(image) == PNG
            queue.remove([job])
    finally:
        over.set()
        for thread in sweepers:
            thread.join(60)
    assert queued == 30
    assert sum(removed) > 0


def test_deleting_a_session_takes_its_rows(session, worker, picture):
    Job.objects.enqueue(session, "Look", images=[picture])
    (attempt,) = claim(worker)
    end(attempt, Outcome.SUCCEEDED)
    assert PromptImage.objects.count() == 1
    Session.objects.filter(pk=session.pk).delete()
    assert not PromptImage.objects.exists()
    assert not JobAttempt.objects.exists()
