"""Which directories may be used, however the path to them is dressed up."""

import os
import threading

import pytest
from django.core.exceptions import ValidationError

from sessions_app.projects import directories


@pytest.fixture
def root(tmp_path, settings):
    directory = tmp_path / "root"
    directory.mkdir()
    (tmp_path / "root-sibling").mkdir()
    (tmp_path / "outside").mkdir()
    settings.POKECODE_PROJECT_ROOTS = [directory]
    return directory


def refusal(path) -> str:
    with pytest.raises(ValidationError) as caught:
        os.close(directories.open_project(path))
    [sentence] = caught.value.messages
    return sentence


def test_a_directory_below_a_root_is_opened(root):
    (root / "project").mkdir()
    descriptor = directories.open_project(str(root / "project"))
    assert os.path.samestat(os.fstat(descriptor), os.stat(root / "project"))
    os.close(descriptor)


def test_the_root_itself_may_be_used(root):
    assert directories.resolve_project(root) == root


def test_a_symlink_within_the_root_is_resolved(root):
    (root / "project").mkdir()
    (root / "link").symlink_to("project")
    assert directories.resolve_project(root / "link") == root / "project"


@pytest.mark.parametrize("path", ["..", "../outside", "../root-sibling", "/", "link", "link/.."])
def test_what_lies_outside_the_roots_is_refused(root, path):
    (root / "link").symlink_to("../outside")
    assert "outside the project roots" in refusal(os.path.join(root, path))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("gone", "There is no directory"),
        ("file", "is a file"),
        ("file/below", "cannot be opened"),
        ("loop", "cannot be opened"),
        ("x" * 300, "cannot be opened"),
        ("nul\x00", "cannot be opened"),
        ("not-\udcff-utf8", "not valid UTF-8"),
    ],
)
def test_what_is_no_directory_is_refused_in_one_sentence(root, path, reason):
    (root / "file").touch()
    (root / "loop").symlink_to("loop")
    (root / "not-\udcff-utf8").mkdir()
    assert reason in refusal(os.path.join(root, path))


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_not_the_current_directory(root, path, monkeypatch):
    monkeypatch.chdir(root)
    assert "is empty" in refusal(path)


def test_an_unknown_home_is_refused(root):
    assert "cannot be opened" in refusal("~nosuchuser/project")


def test_hostile_characters_do_not_reach_the_sentence(root):
    assert refusal(f"{root}/\x1b[2J\n\u202e").isprintable()


def test_a_symlink_swapped_in_while_it_is_opened_never_wins(root):
    """One thread swaps a directory on the way and a symlink out of the root, again and again."""
    (root / "way" / "project").mkdir(parents=True)
    outside = root.parent / "outside"
    (outside / "project").mkdir()
    swapping, swaps = threading.Event(), 0
    swapping.set()

    def swap() -> None:
        nonlocal swaps
        while swapping.is_set():
            os.rename(root / "way", root / "aside")
            os.symlink(outside, root / "way")
            os.unlink(root / "way")
            os.rename(root / "aside", root / "way")
            swaps += 1

    attacker = threading.Thread(target=swap)
    attacker.start()
    forbidden, opened, refused = os.stat(outside / "project"), 0, 0
    try:
        while opened < 30 or refused < 30 or swaps < 200:
            try:
                descriptor = directories.open_project(str(root / "way" / "project"))
            except ValidationError:
                refused += 1
                continue
            opened += 1
            assert not os.path.samestat(os.fstat(descriptor), forbidden)
            os.close(descriptor)
    finally:
        swapping.clear()
        attacker.join()


def test_a_link_that_replaces_a_checked_directory_is_refused(root, monkeypatch):
    """The swap at its most favourable moment: after the check, before the opening."""
    project = root / "project"
    project.mkdir()
    resolve = directories._resolved

    def resolve_then_swap(path):
        resolved = resolve(path)
        project.rmdir()
        project.symlink_to("../outside")
        return resolved

    monkeypatch.setattr(directories, "_resolved", resolve_then_swap)
    assert "cannot be opened" in refusal(str(project))


def test_a_directory_that_may_be_passed_but_not_listed_is_no_obstacle(root):
    (root / "shared" / "project").mkdir(parents=True)
    (root / "shared").chmod(0o111)
    try:
        os.close(directories.open_project(str(root / "shared" / "project")))
    finally:
        (root / "shared").chmod(0o700)
