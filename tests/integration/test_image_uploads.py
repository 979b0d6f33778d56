"""Images in the pages: uploaded, shown in the form and in the conversation, and to whom."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from jobs_app import images
from jobs_app.admin.images import NOT_OURS
from jobs_app.models import Job
from jobs_app.outcomes import Outcome
from pokecode_site.pages.request_bodies import IMAGES_TOO_LONG
from pokecode_site.pages.workspace import NOT_TOLD
from sessions_app import image_files
from sessions_app.models import Session, SessionMessage
from tests.integration.admin_pages import confirm, staff, text, typed, url
from tests.leasing import claim, end
from tests.pictures import GIF, HTML, JPEG, PNG, SVG, WEBP

pytestmark = pytest.mark.django_db

READ = ("sessions_app.view_session", "sessions_app.view_sessionmessage")
RUN = (*READ, "jobs_app.run_job")
UPLOAD = "/admin/jobs_app/job/images/"


@pytest.fixture(autouse=True)
def data_directory(settings, tmp_path):
    settings.POKECODE_DATA_DIR = tmp_path / "data"
    settings.POKECODE_DATA_DIR.mkdir()


def file(content: bytes, name: str = "picture.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, "image/png")


def upload(client: Client, content: bytes = PNG) -> str:
    answer = client.post(UPLOAD, {"image": file(content)})
    assert answer.status_code == 200, answer.content
    return answer.json()["token"]


def prompt_url(session) -> str:
    return reverse("admin:sessions_app_session_prompt", args=[session.pk])


def hashes(job) -> list[str]:
    return [image.hash for image in images.of_job(job)]


def previews(page) -> list[str]:
    return re.findall(r'<img src="(/admin/jobs_app/job/images/[^"]*)"', text(page))


# --- uploading ----------------------------------------------------------------


@pytest.mark.parametrize("content", [PNG, JPEG, GIF, WEBP])
def test_an_image_is_uploaded_looked_at_and_queued(session, content):
    client = staff(*RUN)
    token = upload(client, content)
    seen = client.get(f"{UPLOAD}{token}/")
    assert (seen.status_code, seen.content) == (200, content)
    assert seen["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert seen["X-Content-Type-Options"] == "nosniff"
    answer = client.post(prompt_url(session), {"prompt": "Look", "images": token})
    assert answer.status_code == 302
    (job,) = Job.objects.all()
    assert hashes(job) == [image_files.ImageFile.of(content).hash]


@pytest.mark.parametrize("content", [SVG, HTML, b"", b"GIF8", b"\0" * 100])
def test_what_is_no_image_is_refused_in_a_sentence_whatever_it_claims(content):
    answer = staff(*RUN).post(UPLOAD, {"image": file(content)})
    assert answer.status_code == 400
    assert answer.json() == {"error": image_files.WRONG_TYPE}


def test_a_large_one_is_refused():
    answer = staff(*RUN).post(UPLOAD, {"image": file(PNG + bytes(image_files.LARGEST))})
    assert (answer.status_code, answer.json()) == (400, {"error": image_files.TOO_LARGE})


def test_a_polyglot_is_served_as_a_picture_and_nothing_else():
    client = staff(*RUN)
    both = GIF + HTML
    seen = client.get(f"{UPLOAD}{upload(client, both)}/")
    assert (seen["Content-Type"], seen.content) == ("image/gif", both)
    assert seen["Content-Disposition"].startswith("inline; filename=")
    assert "sandbox" in seen["Content-Security-Policy"]


def test_an_upload_without_a_file_is_told_so():
    client = staff(*RUN)
    assert client.post(UPLOAD, {"image": "text"}).status_code == 400
    assert client.get(UPLOAD).status_code == 405


def test_only_who_may_queue_prompts_uploads():
    assert staff(*READ).post(UPLOAD, {"image": file(PNG)}).status_code == 403
    assert Client().post(UPLOAD, {"image": file(PNG)}).status_code == 302
    assert not image_files.directory().exists()


def test_an_upload_needs_the_forms_token():
    client = Client(enforce_csrf_checks=True)
    client.cookies = staff(*RUN).cookies
    assert client.post(UPLOAD, {"image": file(PNG)}).status_code == 403


def test_a_full_disk_is_said(monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_files.os, "fsync", full)
    answer = staff(*RUN).post(UPLOAD, {"image": file(PNG)})
    assert answer.json() == {"error": "The image cannot be kept: the disk is full."}


def test_a_request_of_100_mb_is_refused_before_it_is_read(admin_client):
    answer = admin_client.generic(
        "POST", UPLOAD, b"x", "multipart/form-data; boundary=x", CONTENT_LENGTH="100000000"
    )
    assert (answer.status_code, answer.content.decode()) == (413, f"{IMAGES_TOO_LONG}\n")


# --- the form without scripts -----------------------------------------------------


def test_files_come_with_the_form_where_there_are_no_scripts(session):
    sent = {"prompt": "Look", "images": "", "images-files": [file(PNG), file(GIF)]}
    assert staff(*RUN).post(prompt_url(session), sent).status_code == 302
    assert len(hashes(Job.objects.get())) == 2


def test_a_mistake_keeps_the_text_and_the_images_that_were_taken(session):
    client = staff(*RUN)
    sent = {"prompt": "Look <here>", "images-files": [file(PNG), file(SVG)]}
    page = client.post(prompt_url(session), sent)
    assert page.status_code == 200
    assert "Image 2 of 2: This is no image that agents read" in text(page)
    assert "Look <here>" in text(page)
    assert client.get(previews(page)[0]).content == PNG
    again = {"prompt": "Look", "images": re.search(r'name="images" value="([^"]+)"', text(page))[1]}
    assert client.post(prompt_url(session), again).status_code == 302
    assert len(hashes(Job.objects.get())) == 1


def test_an_image_is_left_out_where_there_are_no_scripts(session):
    client = staff(*RUN)
    tokens = [upload(client, PNG), upload(client, GIF)]
    left_out = image_files.ImageFile.of(PNG).hash
    sent = {"prompt": "Look", "images": " ".join(tokens), "images-remove": left_out}
    client.post(prompt_url(session), sent)
    assert hashes(Job.objects.get()) == [image_files.ImageFile.of(GIF).hash]


@pytest.mark.parametrize("made_up", ["x", "x:y", image_files.ImageFile.of(PNG).hash, "é:é"])
def test_nobody_names_an_image_that_the_site_did_not_give_them(session, made_up):
    image_files.store(PNG)
    client = staff(*RUN)
    page = client.post(prompt_url(session), {"prompt": "Look", "images": made_up})
    assert NOT_OURS in text(page)
    assert not Job.objects.exists()
    assert client.get(f"{UPLOAD}{made_up}/").status_code == 404


def test_one_that_is_gone_is_asked_for_again_and_the_text_is_kept(session):
    client = staff(*RUN)
    token = upload(client)
    image_files.ImageFile.of(PNG).path.unlink()
    page = client.post(prompt_url(session), {"prompt": "Look here", "images": token})
    assert image_files.GONE in text(page)
    assert "Look here" in text(page)


def test_an_agent_that_works_is_told_no_images_and_nothing_is_lost(session, worker):
    Job.objects.enqueue(session, "Work")
    (attempt,) = claim(worker)
    client = staff(*RUN)
    told = reverse("admin:sessions_app_session_tell", args=[session.pk, attempt.job_id])
    page = client.post(told, {"prompt": "Look at this", "images": upload(client)})
    assert NOT_TOLD in text(page)
    assert "Look at this" in text(page)
    assert len(previews(page)) == 1
    assert not attempt.job.steers.exists()


def test_who_may_only_read_gets_no_field(session):
    page = staff(*READ).get(url(Session, "change", session.pk))
    assert 'type="file"' not in text(page)


# --- the page of a job ------------------------------------------------------------


@pytest.fixture
def job(session):
    return Job.objects.enqueue(session, "Look", images=[image_files.store(PNG)])


def test_a_jobs_page_keeps_adds_and_removes(admin_client, job):
    page = admin_client.get(url(Job, "change", job.pk))
    assert admin_client.get(previews(page)[0]).content == PNG
    token = re.search(r'name="images" value="([^"]+)"', text(page))[1]
    sent = typed(admin_client, job, prompt="Look closely", images=token)
    both = {**sent, "images-files": [file(GIF)]}
    assert admin_client.post(url(Job, "change", job.pk), both).status_code == 302
    assert len(hashes(job)) == 2
    none = typed(admin_client, job, images="")
    assert admin_client.post(url(Job, "change", job.pk), none).status_code == 302
    assert hashes(job) == []


def test_a_job_that_has_started_shows_its_images(job, worker):
    claim(worker)
    page = staff("jobs_app.view_job").get(url(Job, "change", job.pk))
    assert len(previews(page)) == 1
    assert f'alt="image/png, {len(PNG)} bytes"' in text(page)


def test_a_prompt_that_left_the_queue_meanwhile_is_offered_with_its_images(
    admin_client, job, worker
):
    page = admin_client.get(url(Job, "change", job.pk))
    token = re.search(r'name="images" value="([^"]+)"', text(page))[1]
    sent = typed(admin_client, job, images=token)
    claim(worker)
    assert len(previews(admin_client.post(url(Job, "change", job.pk), sent))) == 1


# --- the conversation ---------------------------------------------------------------


@pytest.fixture
def address(admin_client, job, worker):
    (attempt,) = claim(worker)
    end(attempt, Outcome.SUCCEEDED)
    page = admin_client.get(url(Session, "change", job.session_id))
    (found,) = re.findall(r'<img src="(/admin/sessions_app/[^"]*)"', text(page))
    return found


def test_the_conversation_shows_it_inside_its_prompt(admin_client, job, address):
    seen = admin_client.get(address)
    assert (seen.content, seen["Content-Type"]) == (PNG, "image/png")
    assert seen["Content-Security-Policy"] == "default-src 'none'; sandbox"
    page = text(admin_client.get(url(Session, "change", job.session_id)))
    prompt = re.search(r'<article class="entry prompt".*?</article>', page, re.DOTALL)[0]
    assert address in prompt


def test_only_who_may_read_the_conversation_sees_it(job, address):
    assert staff(*READ).get(address).status_code == 200
    assert staff("sessions_app.view_session", "jobs_app.run_job").get(address).status_code == 403
    assert staff("jobs_app.view_job").get(address).status_code == 403
    assert Client().get(address).status_code == 302


def test_one_that_was_changed_on_the_disk_is_not_shown(admin_client, address):
    image_files.ImageFile.of(PNG).path.write_bytes(HTML)
    assert admin_client.get(address).status_code == 404


def test_no_other_image_is_found_by_its_hash(admin_client, address):
    other = image_files.store(GIF)
    key = image_files.ImageFile.of(PNG).hash
    assert admin_client.get(address.replace(key, other.hash)).status_code == 404


def test_an_agents_imitation_of_a_prompt_shows_no_file(admin_client, address):
    message = SessionMessage.objects.get()
    SessionMessage.objects.filter(pk=message.pk).update(type="assistant")
    assert admin_client.get(address).status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["page", "list"])
def test_it_is_deleted_with_its_session(admin_client, job, address, way):
    if way == "page":
        admin_client.post(url(Session, "delete", job.session_id), {"post": "yes"})
    else:
        confirm(admin_client, Session, [job.session])
    assert not Session.objects.exists()
    assert not list(image_files.directory().iterdir())


@pytest.mark.django_db(transaction=True)
def test_it_is_deleted_with_its_job(admin_client, job):
    confirm(admin_client, Job, [job])
    assert not list(image_files.directory().iterdir())


@pytest.mark.django_db(transaction=True)
def test_a_session_that_is_not_deleted_keeps_its_images(admin_client, job, worker):
    claim(worker)
    confirm(admin_client, Session, [job.session])
    assert Session.objects.exists()
    assert list(image_files.directory().iterdir())
