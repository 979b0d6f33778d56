"""Git's answers, on repositories that are ordinary, unusual, or booby-trapped."""

import os
import resource
import stat
import subprocess
from pathlib import Path

import pytest

from sessions_app.projects import git


def run(directory: Path, *command: str) -> str:
    """A command as an unsuspecting person would type it."""
    result = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30
    )
    return result.stdout.strip()


def config(project: Path, *arguments: str) -> None:
    subprocess.run(["git", "config", *arguments], cwd=project, check=True)


def head(project) -> str | None:
    repository = git.find(project)
    return repository.head() if repository else None


def test_a_project_is_described(git_project):
    config(git_project, "remote.origin.url", "https://example.com/team/tool.git")
    assert git.describe(git_project) == {
        "repository": "https://example.com/team/tool.git",
        "branch": "main",
    }
    assert head(git_project) == run(git_project, "git", "rev-parse", "HEAD")


def test_a_pipe_among_the_references_is_not_waited_for(git_project):
    for name in (".git/refs/heads/main", ".git/packed-refs"):
        (git_project / name).unlink(missing_ok=True)
        os.mkfifo(git_project / name)
    assert head(git_project) is None
    (git_project / ".git/HEAD").unlink()
    os.mkfifo(git_project / ".git/HEAD")
    assert head(git_project) is None


def test_a_directory_without_git_has_a_name_and_nothing_else(project):
    assert git.project_name(project) == "project"
    assert git.describe(project) == {}
    assert head(project) is None


def test_a_directory_below_the_root_is_named_from_the_root(git_project):
    (git_project / "web" / "app").mkdir(parents=True)
    assert git.project_name(git_project / "web" / "app") == "project/web/app"
    assert git.describe(git_project / "web")["branch"] == "main"


def test_a_new_repository_has_a_branch_and_no_commit(project):
    run(project, "git", "init", "--initial-branch=trunk")
    assert git.describe(project) == {"branch": "trunk"}
    assert head(project) is None


def test_a_detached_head_has_a_commit_and_no_branch(git_project):
    run(git_project, "git", "checkout", "--detach")
    assert git.describe(git_project) == {}
    assert head(git_project) == run(git_project, "git", "rev-parse", "HEAD")


def test_packed_references_are_read(git_project):
    run(git_project, "git", "pack-refs", "--all")
    assert not (git_project / ".git/refs/heads/main").exists()
    assert head(git_project) == run(git_project, "git", "rev-parse", "HEAD")


def test_a_worktree_has_its_own_branch(git_project):
    config(git_project, "remote.origin.url", "https://example.com/tool")
    run(git_project, "git", "worktree", "add", "-b", "side", "../side")
    side = git_project.parent / "side"
    assert git.describe(side) == {"repository": "https://example.com/tool", "branch": "side"}
    assert head(side) == run(side, "git", "rev-parse", "HEAD")


def test_a_sha256_repository_is_read(project):
    run(project, "git", "init", "--object-format=sha256", "--initial-branch=main")
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    run(project, "git", *identity, "commit", "--allow-empty", "--message=First")
    commit = head(project)
    assert commit == run(project, "git", "rev-parse", "HEAD")
    assert len(commit) == 64


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@example.com/x", "https://example.com/x"),
        ("HTTPS://token@example.com/x", "HTTPS://example.com/x"),
        ("https://user:se@cret@example.com/x", "https://example.com/x"),
        ("git@example.com:team/x.git", "git@example.com:team/x.git"),
    ],
)
def test_credentials_in_a_remote_are_not_kept(git_project, url, shown):
    config(git_project, "remote.origin.url", url)
    assert git.describe(git_project)["repository"] == shown


CANARIES = {
    "core.fsmonitor": (["core.fsmonitor", "{canary}"], "git status"),
    "filter clean": (["filter.trap.clean", "{canary}"], "git diff"),
    "filter process": (["filter.trap.process", "{canary}"], "git diff"),
    "diff.external": (["diff.external", "{canary}"], "git diff"),
    "diff textconv": (["diff.trap.textconv", "{canary}"], "git diff"),
    "core.hooksPath": (["core.hooksPath", "{hooks}"], "git update-ref refs/heads/x HEAD"),
    "core.sshCommand": (["core.sshCommand", "{canary}"], "git ls-remote ssh://trap/x"),
    "uploadpack": (["remote.origin.uploadpack", "{canary}"], "git fetch"),
    "credential.helper": (
        ["credential.helper", "!{canary}"],
        "sh -c 'echo url=https://trap | git credential fill'",
    ),
    "core.askPass": (
        ["core.askPass", "{canary}"],
        "sh -c 'echo url=https://trap | git credential fill'",
    ),
    "core.editor": (["core.editor", "{canary}"], "git commit --amend"),
    "gpg.program": (["gpg.program", "{canary}"], "git commit --allow-empty -S -m x"),
    "alias": (["alias.canary", "!{canary}"], "git canary"),
    "include": (["include.path", "{included}"], "git status"),
}


@pytest.fixture
def trapped(git_project, tmp_path):
    """Sets a trap in a repository; `sprung()` says, once, whether it went off."""
    marker, canary, hooks = tmp_path / "sprung", tmp_path / "canary", tmp_path / "hooks"
    canary.write_text(f"#!/bin/sh\ntouch {marker}\nexit 1\n")
    canary.chmod(stat.S_IRWXU)
    hooks.mkdir()
    (hooks / "reference-transaction").symlink_to(canary)
    (tmp_path / "included").write_text(f"[core]\n\tfsmonitor = {canary}\n")
    (git_project / ".gitattributes").write_text("* filter=trap diff=trap\n")
    (git_project / "README.md").write_text("changed\n")
    config(git_project, "user.name", "Test")
    config(git_project, "user.email", "test@example.org")
    config(git_project, "remote.origin.url", str(tmp_path))

    class Trap:
        def set(self, key: str, value: str) -> None:
            included = tmp_path / "included"
            config(git_project, key, value.format(canary=canary, hooks=hooks, included=included))

        def sprung(self) -> bool:
            found = marker.exists()
            marker.unlink(missing_ok=True)
            return found

    return Trap()


def ask_everything(project: Path) -> None:
    assert git.project_name(project) == project.name
    assert git.describe(project)["branch"] == "main"
    head(project)


@pytest.mark.parametrize("name", CANARIES)
def test_no_program_of_the_repository_runs(git_project, trapped, name, monkeypatch):
    monkeypatch.delenv("GIT_ASKPASS", raising=False)
    (key, value), plain = CANARIES[name]
    trapped.set(key, value)
    run(git_project, "sh", "-c", plain)
    assert trapped.sprung(), "the trap does not even work under plain git"
    ask_everything(git_project)
    assert not trapped.sprung()


def test_a_missing_commit_is_not_fetched(git_project, trapped):
    config(git_project, "core.repositoryformatversion", "1")
    config(git_project, "extensions.partialClone", "origin")
    config(git_project, "remote.origin.promisor", "true")
    trapped.set("remote.origin.uploadpack", "{canary}")
    for loose in (git_project / ".git/objects").glob("??/*"):
        loose.unlink()
    run(git_project, "git", "rev-parse", "--verify", "HEAD^{commit}")
    assert trapped.sprung(), "the trap does not even work under plain git"
    ask_everything(git_project)
    assert not trapped.sprung()


def test_another_work_tree_is_not_believed(git_project, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    config(git_project, "core.worktree", str(tmp_path / "elsewhere"))
    assert run(git_project, "git", "rev-parse", "--show-toplevel") == str(tmp_path / "elsewhere")
    assert git.project_name(git_project) == "project"
    assert git.describe(git_project)["branch"] == "main"


def test_a_remote_from_an_included_file_is_not_taken(git_project, tmp_path):
    (tmp_path / "included").write_text('[remote "origin"]\n\turl = https://other.example\n')
    config(git_project, "include.path", str(tmp_path / "included"))
    assert run(git_project, "git", "config", "remote.origin.url") == "https://other.example"
    assert "repository" not in git.describe(git_project)


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("HEAD", {"repository": "https://x.example"}),
        ("config", {"branch": "main"}),
        ("commondir", {"repository": "https://x.example", "branch": "main"}),
        ("packed-refs", {"repository": "https://x.example", "branch": "main"}),
        ("refs/heads/main", {"repository": "https://x.example", "branch": "main"}),
        ("refs/main", {"repository": "https://x.example", "branch": "main"}),
        ("refs/tags/main", {"repository": "https://x.example", "branch": "main"}),
    ],
)
@pytest.mark.usefixtures("never_waits")
def test_a_pipe_in_place_of_a_file_holds_nothing_up(git_project, name, described):
    config(git_project, "remote.origin.url", "https://x.example")
    replace_by_pipe(git_project / ".git" / name)
    assert git.describe(git_project) == described
    head(git_project)


@pytest.mark.usefixtures("never_waits")
def test_pipes_among_the_tables_of_references_hold_nothing_up(git_project):
    (git_project / ".git/reftable").mkdir()
    for name in ("reftable/tables.list", "reftable/0x1.ref", "HEAD", "config"):
        replace_by_pipe(git_project / ".git" / name)
    assert git.describe(git_project) == {}
    assert head(git_project) is None


@pytest.fixture
def never_waits(monkeypatch):
    """Fails the test if git had to be given up."""
    given_up = []

    def watched(*arguments, **options):
        try:
            return run_program(*arguments, **options)
        except subprocess.TimeoutExpired as error:
            given_up.append(error)
            raise

    run_program = subprocess.run
    monkeypatch.setattr(subprocess, "run", watched)
    monkeypatch.setattr(git, "TIMEOUT", 1)
    yield
    assert not given_up


def replace_by_pipe(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.mkfifo(file)


def test_a_pipe_in_place_of_git_is_no_repository(project):
    os.mkfifo(project / ".git")
    assert git.describe(project) == {}


@pytest.fixture
def outside(tmp_path, git_project, settings):
    """The git directory of a repository that lies beside the only project root."""
    config(git_project, "remote.origin.url", "https://secret.example")
    (tmp_path / "root" / "project").mkdir(parents=True)
    settings.POKECODE_PROJECT_ROOTS = [tmp_path / "root"]
    return git_project / ".git"


def assert_no_repository(project: Path) -> None:
    assert git.project_name(project) == "project"
    assert git.describe(project) == {}
    assert head(project) is None


def test_a_git_file_that_leads_out_of_the_roots_is_no_repository(outside, tmp_path):
    project = tmp_path / "root/project"
    for target in (outside, "../../project/.git"):
        (project / ".git").write_text(f"gitdir: {target}\n")
        assert run(project, "git", "config", "remote.origin.url") == "https://secret.example"
        assert_no_repository(project)


def test_a_link_out_of_the_roots_is_no_repository(outside, tmp_path):
    project = tmp_path / "root/project"
    (project / ".git").symlink_to(outside)
    assert_no_repository(project)
    (project / ".git").unlink()
    run(project, "git", "init", "--initial-branch=main")
    (project / ".git/commondir").write_text(str(outside))
    assert_no_repository(project)


def test_files_of_git_that_are_links_out_of_the_roots_are_not_read(outside, tmp_path):
    project = tmp_path / "root/project"
    run(project, "git", "init", "--initial-branch=main")
    for name in ("config", "refs/heads/main"):
        (project / ".git" / name).unlink(missing_ok=True)
        (project / ".git" / name).symlink_to(outside / name)
    assert git.describe(project) == {"branch": "main"}
    assert head(project) is None


def test_a_repository_above_the_roots_is_nobody_s(git_project, settings):
    below = git_project / "root" / "shop"
    (below / "web").mkdir(parents=True)
    settings.POKECODE_PROJECT_ROOTS = [below.parent]
    assert git.project_name(below / "web") == "web"
    assert git.describe(below / "web") == {}
    assert head(below / "web") is None
    settings.POKECODE_PROJECT_ROOTS = [git_project]
    assert git.project_name(below / "web") == "project/root/shop/web"


def test_an_empty_git_directory_is_no_repository(git_project):
    (git_project / "web" / ".git").mkdir(parents=True)
    assert git.project_name(git_project / "web") == "project/web"
    assert git.describe(git_project / "web") == {"branch": "main"}


def test_a_reference_to_an_endless_file_fills_no_memory(git_project):
    reference = git_project / ".git/refs/heads/main"
    reference.unlink()
    reference.symlink_to("/dev/zero")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert head(git_project) is None
    peak_kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak_kilobytes <= max(before, 200_000)


@pytest.mark.parametrize(
    "content", ["", "gitdir: ", "gitdir: /nonexistent", "\x00", "gitdir: \x00"]
)
def test_a_git_file_that_leads_nowhere_is_no_repository(project, content):
    (project / ".git").write_text(content)
    assert git.describe(project) == {}
    assert head(project) is None


def test_a_machine_without_git_has_projects_too(git_project, monkeypatch):
    assert git.project_name(git_project) == "project"
    commit = head(git_project)
    assert commit is not None
    monkeypatch.setenv("PATH", "/nonexistent")
    assert git.describe(git_project) == {"branch": "main"}
    assert head(git_project) == commit
