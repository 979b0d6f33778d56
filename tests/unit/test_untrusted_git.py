"""Git in a repository that nobody trusts, with settings that name programs."""

import os
import subprocess

import pytest
from django.core.exceptions import ValidationError

from jobs_app.agents.untrusted_git import without_programs

SETTINGS = {
    "clean filter": [("filter.trap.clean", "{canary}")],
    "required filter": [("filter.trap.clean", "{canary}"), ("filter.trap.required", "true")],
    "filter process": [("filter.trap.process", "{canary}")],
    "file monitor": [("core.fsmonitor", "{canary}")],
    "included file": [("include.path", "included")],
    "included by condition": [("includeIf.gitdir:/.path", "included")],
    "worktree": [("extensions.worktreeConfig", "true")],
    "missing objects": [
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", "."),
        ("remote.origin.uploadpack", "{canary}"),
    ],
    "missing objects by ext": [
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", "ext::{canary}"),
        ("protocol.allow", "always"),
    ],
    "missing objects by ssh": [
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", "ssh://[::1]:1/x"),
        ("core.sshCommand", "{canary}"),
    ],
}


@pytest.fixture
def canary(git_project, tmp_path):
    """A program that leaves a file `sprung` behind, and everything in the project uses it."""
    program = tmp_path / "canary"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\nexit 1\n")
    program.chmod(0o700)
    git = git_project / ".git"
    (git / "info").mkdir(exist_ok=True)
    (git / "info/attributes").write_text("* filter=trap\n")
    for name in ("included", "config.worktree"):
        (git / name).write_text(f'[filter "trap"]\n\tclean = {program}\n')
    return program


def configure(project, canary, name):
    for key, value in SETTINGS[name]:
        value = value.format(canary=canary)
        subprocess.run(["git", "config", key, value], cwd=project, check=True)
    if "missing" in name:
        for loose in (project / ".git/objects").glob("??/*"):
            loose.unlink()
    text = (project / "README.md").read_text()
    (project / "README.md").write_text(text.swapcase())  # of the same size, so git reads it


def status(project, environment) -> str:
    command = ["git", "status", "--porcelain"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize("name", SETTINGS)
def test_a_program_of_the_repository_does_not_run(git_project, canary, name):
    configure(git_project, canary, name)
    sprung = canary.with_name("sprung")
    status(git_project, dict(os.environ))
    assert sprung.exists(), "the trap does not even work under plain git"
    sprung.unlink()
    shown = status(git_project, without_programs(os.environ, str(git_project)))
    assert not sprung.exists()
    assert "README.md" in shown or "missing" in name


def test_settings_of_the_host_s_owner_stay(git_project, canary, tmp_path):
    (tmp_path / "global").write_text(f'[filter "trap"]\n\tclean = {canary}\n')
    own = {**os.environ, "GIT_CONFIG_GLOBAL": str(tmp_path / "global"), "GIT_CONFIG_COUNT": "1"}
    own |= {"GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Me"}
    configure(git_project, canary, "file monitor")
    environment = without_programs(own, str(git_project))
    status(git_project, environment)
    assert canary.with_name("sprung").exists()
    assert environment["GIT_CONFIG_VALUE_0"] == "Me"


def test_a_configuration_that_git_cannot_read_is_refused(git_project):
    (git_project / ".git/config").write_text("[broken")
    with pytest.raises(ValidationError, match="trust the project"):
        without_programs(os.environ, str(git_project))


def test_a_project_without_git_needs_nothing(project):
    assert status(project, without_programs(os.environ, str(project))) == ""
