"""What git says about a project, read without ever running a program of the repository.

A repository's configuration names programs (fsmonitor, filters, hooks, ssh
commands) and other trees (core.worktree, includes), and git obeys it wherever it
finds it. So git never sees it: it runs on a throw-away git directory with a
configuration of our own, in which only the references are the repository's.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sessions_app.projects.files import read_start

TIMEOUT = 5
OUTPUT_LIMIT = 4096
PACKED_LIMIT = 16 * 1024 * 1024
REFERENCE_DEPTH = 5
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/]*@", re.IGNORECASE)

REFERENCES = ("refs", "packed-refs", "reftable")
# How references are written: the only values that are taken from the repository's configuration.
FORMATS = {"extensions.objectformat sha256", "extensions.refstorage reftable"}


def project_name(project: Path) -> str:
    """The git root's name and the path below it; without git, the directory's name."""
    root = _root(os.fspath(project))
    return str(project.relative_to(Path(root).parent)) if root else project.name or str(project)


def describe(project: Path) -> dict[str, str]:
    """`repository` (remote, credentials removed) and `branch`, as far as they are known."""
    repository = find(project)
    if repository is None:
        return {}
    remote = _config(repository.common, "--get", "remote.origin.url")
    with _isolated(repository) as isolated:
        branch = _run(isolated, "symbolic-ref", "--quiet", "--short", "HEAD")
    found = {"repository": CREDENTIALS.sub(r"\1", remote), "branch": branch}
    return {key: value for key, value in found.items() if value}


def find(project: str | os.PathLike[str]) -> "Repository | None":
    """The repository that a project lies in."""
    root = _root(os.fspath(project))
    if root is None:
        return None
    git_dir = os.path.join(root, ".git")
    if not os.path.isdir(git_dir):  # a worktree or submodule has a file that says where it is
        _, _, target = _read(git_dir).partition("gitdir: ")
        if not target.strip():
            return None
        git_dir = os.path.join(root, target.strip())
    return Repository(git_dir, os.path.join(git_dir, _read(f"{git_dir}/commondir").strip()))


def _root(project: str) -> str | None:
    while not os.path.exists(os.path.join(project, ".git")):
        if project == (project := os.path.dirname(project)):
            return None
    return project


@dataclass(frozen=True, slots=True)
class Repository:
    """A git directory, and `common`: the references and configuration, which worktrees share."""

    git_dir: str
    common: str

    @property
    def _has_reftable(self) -> bool:
        return os.path.exists(os.path.join(self.common, "reftable"))

    def head(self) -> str | None:
        """The commit that HEAD names, or None."""
        if self._has_reftable:
            with _isolated(self) as isolated:
                return _run(isolated, "rev-parse", "--verify", "--quiet", "HEAD") or None
        text = _read(f"{self.git_dir}/HEAD").strip()
        for _ in range(REFERENCE_DEPTH):
            if COMMIT.fullmatch(text):
                return text
            name = text.removeprefix("ref: ")
            if not name.startswith("refs/") or ".." in name:
                return None
            text = self._reference(name)
        return None

    def _reference(self, name: str) -> str:
        """What a reference holds, "" if it is not there."""
        loose = _read(f"{self.git_dir}/{name}") or _read(f"{self.common}/{name}")
        return loose.strip() or self._packed(name)

    def _packed(self, name: str) -> str:
        lines = _read(f"{self.common}/packed-refs", PACKED_LIMIT).splitlines()
        return next((line.split(" ")[0] for line in lines if line.endswith(f" {name}")), "")


@contextmanager
def _isolated(repository: Repository) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pokecode-git-") as directory:
        isolated = Path(directory)
        for name in REFERENCES:
            target = os.path.join(repository.common, name)
            if os.path.lexists(target):
                (isolated / name).symlink_to(target)
        (isolated / "objects").mkdir()
        (isolated / "HEAD").write_text(_read(f"{repository.git_dir}/HEAD"))
        (isolated / "config").write_text(_own_config(repository.common))
        yield directory


def _own_config(common: str) -> str:
    found = _config(common, "--get-regexp", r"^extensions\.(objectformat|refstorage)$")
    lines = ["[core]", "repositoryformatversion = 1", "bare = true", "[extensions]"]
    for line in FORMATS.intersection(found.splitlines()):
        key, value = line.removeprefix("extensions.").split(" ")
        lines.append(f"{key} = {value}")
    return "\n".join(lines) + "\n"


def _config(common: str, *query: str) -> str:
    file = os.path.join(common, "config")
    return _run(os.devnull, "config", "--file", file, "--no-includes", *query)


def _read(path: str, limit: int = OUTPUT_LIMIT) -> str:
    """The start of a file of git's own; "" if it is missing or not a regular file."""
    try:
        return read_start(path, limit).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _run(git_dir: str, *arguments: str) -> str:
    """What git prints, "" if it fails, never ends or prints too much."""
    try:
        result = subprocess.run(  # noqa: S603 - a fixed program, arguments as a list
            ["git", f"--git-dir={git_dir}", *arguments],  # noqa: S607 - found on our own PATH
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    output = result.stdout.decode(errors="replace").strip()
    return output if len(output) <= OUTPUT_LIMIT else ""


def _environment() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOC_LIMIT": "64m",  # a reference may be a link to an endless file
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
