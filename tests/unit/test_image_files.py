"""Images of prompts as files: what is taken, how it is kept, what is refused when it is used."""

import base64
import errno
import fcntl
import json
import os
import stat
import time

import pytest
from django.core.exceptions import ValidationError

from jobs_app.agents.base import Image, Turn
from jobs_app.agents.claude.talk import ClaudeDriver
from sessions_app import image_files
from sessions_app.image_files import ImageFile
from tests.pictures import GIF, JPEG, PNG, WEBP


@pytest.fixture(autouse=True)
def directory(settings, tmp_path):
    settings.POKECODE_DATA_DIR = tmp_path
    return tmp_path / "images"


def names(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    ("content", "kind"),
    [(PNG, "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp")],
)
def test_four_types_are_told_by_their_first_bytes_and_kept_as_they_are(directory, content, kind):
    image = image_files.store(content)
    assert (image.type, image.size) == (kind, len(content))
    assert image_files.read(image) == content
    assert names(directory) == [image.name]


def test_the_same_picture_is_one_file(directory):
    assert image_files.store(PNG) == image_files.store(PNG)
    assert len(names(directory)) == 1


def test_only_its_owner_can_read_it(directory):
    os.umask(0)
    image = image_files.store(PNG)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(image.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"BM", b"%PDF-1.7", b"\x89PNG"],
)
def test_anything_else_is_refused_whatever_its_name(directory, tmp_path, content):
    file = tmp_path / "picture.png"
    file.write_bytes(content)
    with pytest.raises(ValidationError, match="send a PNG, JPEG, GIF or WebP"):
        image_files.store_file(file)
    assert not directory.exists()


def test_5_mb_are_taken_and_a_byte_more_is_not(tmp_path):
    largest = PNG + bytes(image_files.LARGEST - len(PNG))
    file = tmp_path / "large"
    file.write_bytes(largest)
    assert image_files.read(image_files.store_file(file)) == largest
    file.write_bytes(largest + b"\0")
    with pytest.raises(ValidationError, match="over 5 MB"):
        image_files.store_file(file)


def test_a_path_that_leads_to_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "missing.png", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / "pipe", "is not a file"),
        ("/dev/zero", "is not a file"),
        ("a\0b", "name is wrong"),
    ):
        with pytest.raises(ValidationError, match=words):
            image_files.store_file(path)


def test_a_file_that_was_changed_or_is_gone_is_not_used_and_is_mended_when_it_comes_again():
    image = image_files.store(PNG)
    image.path.write_bytes(PNG[:-1] + b"x")
    with pytest.raises(ValidationError, match="was changed on the disk"):
        image_files.read(image)
    assert image_files.read(image_files.store(PNG)) == PNG
    image.path.unlink()
    with pytest.raises(ValidationError, match="not in the data directory of this host"):
        image_files.read(image)


def test_a_link_in_its_place_is_not_followed(tmp_path):
    image = image_files.store(PNG)
    image.path.unlink()
    (tmp_path / "same").write_bytes(PNG)
    image.path.symlink_to(tmp_path / "same")
    with pytest.raises(ValidationError, match="cannot be read"):
        image_files.read(image)


def test_a_full_disk_is_said_and_leaves_nothing_half(directory, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(image_files.os, "fsync", full)
    with pytest.raises(ValidationError, match="cannot be kept: the disk is full"):
        image_files.store(PNG)
    assert names(directory) == []


@pytest.mark.parametrize(
    "value",
    [
        {},
        "x",
        [1],
        [{}],
        [{"hash": "../../etc/passwd", "type": "image/png", "size": 1}],
        [{"hash": "0" * 64, "type": "image/svg+xml", "size": 1}],
        [{"hash": "0" * 64, "type": ["image/png"], "size": 1}],
        [{"hash": "0" * 64, "type": "image/png", "size": "1"}],
        [{"hash": "0" * 64, "type": "image/png", "size": 1, "more": 1}],
        [{"hash": "0" * 64, "type": "image/png", "size": 1}] * 11,
        [{"hash": "0" * 64, "type": "image/png", "size": 11_000_000}] * 2,
    ],
)
def test_a_row_of_another_form_names_no_image(value):
    with pytest.raises(ValidationError):
        image_files.parse(value)


def test_what_a_row_names_is_read_back():
    image = image_files.store(PNG)
    assert image_files.parse([image.data()]) == [image]


# --- removing -----------------------------------------------------------------


def age(path, seconds=1000.0):
    os.utime(path, (time.time() - seconds,) * 2)


def test_what_nothing_names_is_removed_once_it_is_old(directory):
    kept, unused, fresh = (image_files.store(content) for content in (PNG, GIF, JPEG))
    (directory / "half.new").write_bytes(b"")
    for path in (kept.path, unused.path, directory / "half.new"):
        age(path)
    assert image_files.remove(lambda: {kept.hash}, older_than=500) == 2
    assert names(directory) == sorted([kept.name, fresh.name])


def test_a_picture_that_is_sent_again_is_as_good_as_new():
    age(image_files.store(PNG).path)
    image = image_files.store(PNG)
    assert image_files.remove(set, older_than=500) == 0
    assert image.path.exists()


def test_only_those_that_are_asked_for_are_removed():
    image, other = image_files.store(PNG), image_files.store(GIF)
    assert image_files.remove(set, of=[image.hash]) == 1
    assert (image.path.exists(), other.path.exists()) == (False, True)


def test_nothing_is_removed_while_a_prompt_is_queued():
    image = image_files.store(PNG)
    with image_files.held([image]):
        assert image_files.remove(set) == 0
    assert image_files.remove(set) == 1
    with pytest.raises(ValidationError, match="add the image again"), image_files.held([image]):
        pass


def test_a_process_that_is_frozen_with_the_directory_holds_nobody_up_for_ever(
    directory, monkeypatch
):
    monkeypatch.setattr(image_files, "PATIENCE", 0.05)
    directory.mkdir()
    frozen = os.open(directory, os.O_RDONLY)
    fcntl.flock(frozen, fcntl.LOCK_EX)
    with pytest.raises(ValidationError, match="try again"):
        image_files.store(PNG)
    os.close(frozen)
    image_files.store(PNG)


def test_claude_gets_the_bytes_before_the_text():
    image = image_files.store(PNG)
    turn = Turn("a", "/what is this?", "/tmp", images=[Image(str(image.path), image.type)])
    (sent,) = ClaudeDriver(turn).begin()
    picture, text = json.loads(sent.data)["message"]["content"]
    assert base64.b64decode(picture["source"]["data"]) == PNG
    assert picture["source"]["media_type"] == "image/png"
    assert text == {"type": "text", "text": "\n/what is this?"}


def test_an_image_knows_no_name_but_its_hash():
    image = ImageFile.of(PNG)
    assert image.name == f"{image.hash}.png"
