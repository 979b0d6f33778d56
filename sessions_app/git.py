"""What git says of a project, read without ever running a program of the repository.

A repository's configuration can name programs (fsmonitor, filters, hooks,
external diffs) and other trees (core.worktree). So git is never run inside a
project: it reads HEAD and one configuration value of a git directory that we
found ourselves, with no system or user configuration and no includes.
"""

import os
import re
import subprocess
from pathlib import Path

TIMEOUT = 5
CREDENTIALS = re.compile(r"^([a-z+]+://)[^/@]*@")


def project_name(project: Path) -> str:
    """The git root's name and the path below it; without git, the directory's name."""
    root = _root(project)
    return str(project.relative_to(root.parent)) if root else project.name or str(project)


def describe(project: Path) -> dict[str, str]:
    """`repository` (remote, credentials removed) and `branch`, as far as they are known."""
    git_dir = _git_dir(project)
    if git_dir is None:
        return {}
    found = {
        "repository": CREDENTIALS.sub(r"\1", _remote(git_dir)),
        "branch": _run(git_dir, "symbolic-ref", "--quiet", "--short", "HEAD"),
    }
    return {key: value for key, value in found.items() if value}


def head(project: Path) -> str | None:
    """The commit that HEAD names, or None."""
    git_dir = _git_dir(project)
    if git_dir is None:
        return None
    return _run(git_dir, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") or None


def _root(project: Path) -> Path | None:
    return next((path for path in (project, *project.parents) if (path / ".git").exists()), None)


def _git_dir(project: Path) -> Path | None:
    root = _root(project)
    if root is None:
        return None
    dot_git = root / ".git"
    if dot_git.is_dir():
        return dot_git
    try:  # a worktree or submodule: a file that says where its git directory is
        _, _, target = dot_git.read_text(errors="replace").partition("gitdir: ")
    except OSError:
        return None
    return (root / target.strip()).resolve() if target.strip() else None


def _remote(git_dir: Path) -> str:
    common = git_dir
    if (git_dir / "commondir").is_file():
        common = git_dir / (git_dir / "commondir").read_text(errors="replace").strip()
    return _run(
        None, "config", "--file", str(common / "config"), "--no-includes", "remote.origin.url"
    )


def _run(git_dir: Path | None, *arguments: str) -> str:
    command = ["git", *([f"--git-dir={git_dir}"] if git_dir else []), *arguments]
    try:
        result = subprocess.run(  # noqa: S603 - a fixed program, arguments as a list
            command, cwd="/", env=_environment(), capture_output=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.decode(errors="replace").strip() if result.returncode == 0 else ""


def _environment() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
