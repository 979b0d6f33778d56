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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sessions_app.projects.directories import is_within_roots
from sessions_app.projects.files import read_start

TIMEOUT = 5
OUTPUT_LIMIT = 4096
CONFIG_LIMIT = 1024 * 1024
REFERENCES_LIMIT = 16 * 1024 * 1024
TABLES_LIMIT = 64
"""Files of a reftable: git keeps them few."""

REFERENCE_DEPTH = 5
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
BRANCH = re.compile(r"refs/heads/([^\x00-\x20\x7f~^:?*\[\\]+)")  # git-check-ref-format(1)
CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/]*@", re.IGNORECASE)

# How references are written: the only values that are taken from the repository's configuration.
FORMATS = {"extensions.objectformat sha256", "extensions.refstorage reftable"}


def project_name(project: Path) -> str:
    """The git root's name and the path below it; without git, the directory's name."""
    repository = find(project)
    if repository is None:
        return project.name or str(project)
    return str(project.relative_to(repository.root.parent))


def describe(project: Path) -> dict[str, str]:
    """`repository` (remote, credentials removed) and `branch`, as far as they are known."""
    repository = find(project)
    if repository is None:
        return {}
    remote = CREDENTIALS.sub(r"\1", repository.remote())
    found = {"repository": remote, "branch": repository.branch()}
    return {key: value for key, value in found.items() if value}


def find(project: str | os.PathLike[str]) -> "Repository | None":
    """The repository that a project lies in, if all of it lies in the project roots.

    What is above them is none of ours, wherever a file or a link in place of `.git` leads.
    """
    root = os.fspath(project)
    while (git_dir := _git_dir(root)) is None:
        if root == (root := os.path.dirname(root)):
            return None
    return _repository(Path(root), git_dir) if is_within_roots(root) else None


def _git_dir(root: str) -> str | None:
    """Where the `.git` in a directory leads. One without a HEAD is nothing, as it is for git."""
    path = os.path.join(root, ".git")
    if not os.path.lexists(path):
        return None
    if os.path.isdir(path):
        return path if os.path.lexists(os.path.join(path, "HEAD")) else None
    # A worktree or a submodule has a file that says where it is.
    return os.path.join(root, _read(path).partition("gitdir: ")[2].strip())


def _repository(root: Path, git_dir: str) -> "Repository | None":
    found = _inside(git_dir)
    if found is None or not os.path.lexists(os.path.join(found, "HEAD")):
        return None
    common = _inside(os.path.join(found, _read(f"{found}/commondir").strip()))
    return Repository(root, found, common) if common else None


def _inside(path: str) -> str | None:
    """The path without symlinks, None if it leads out of the project roots."""
    with suppress(OSError, ValueError):
        resolved = os.path.realpath(path)
        if is_within_roots(resolved):
            return resolved
    return None


@dataclass(frozen=True, slots=True)
class Repository:
    """A git directory, and `common`: the references and configuration, which worktrees share."""

    root: Path
    git_dir: str
    common: str

    @property
    def _has_reftable(self) -> bool:
        return os.path.isdir(os.path.join(self.common, "reftable"))

    def remote(self) -> str:
        """The address of `origin` as it is written, "" if there is none."""
        return _config(self.common, "--get", "remote.origin.url")

    def branch(self) -> str | None:
        """The branch that HEAD names, or None."""
        if self._has_reftable:
            with _isolated(self) as isolated:
                name = _run(isolated, "symbolic-ref", "--quiet", "HEAD")
        else:
            name = _reference_named(_read(f"{self.git_dir}/HEAD"))
        found = BRANCH.fullmatch(name)
        return found[1] if found else None

    def head(self) -> str | None:
        """The commit that HEAD names, or None."""
        if self._has_reftable:
            with _isolated(self) as isolated:
                return _run(isolated, "rev-parse", "--verify", "--quiet", "HEAD") or None
        text = _read(f"{self.git_dir}/HEAD").strip()
        for _ in range(REFERENCE_DEPTH):
            if COMMIT.fullmatch(text):
                return text
            name = _reference_named(text)
            if not name.startswith("refs/") or ".." in name:
                return None
            text = self._reference(name)
        return None

    def _reference(self, name: str) -> str:
        """What a reference holds, "" if it is not there."""
        loose = _read(f"{self.git_dir}/{name}") or _read(f"{self.common}/{name}")
        return loose.strip() or self._packed(name)

    def _packed(self, name: str) -> str:
        lines = _read(f"{self.common}/packed-refs", REFERENCES_LIMIT).splitlines()
        return next((line.split(" ")[0] for line in lines if line.endswith(f" {name}")), "")


def _reference_named(text: str) -> str:
    return text.removeprefix("ref:").strip()


@contextmanager
def _isolated(repository: Repository) -> Iterator[str]:
    """A git directory of our own with the repository's reftable, which only git can read."""
    with tempfile.TemporaryDirectory(prefix="pokecode-git-") as directory:
        isolated = Path(directory)
        for name in ("refs", "objects", "reftable"):
            (isolated / name).mkdir()
        for table in islice(os.scandir(f"{repository.common}/reftable"), TABLES_LIMIT):
            (isolated / "reftable" / table.name).write_bytes(_bytes(table.path, REFERENCES_LIMIT))
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
    """What a query finds in the repository's configuration, which git gets as text, not as a file
    that it would wait for if it is a pipe."""
    content = _bytes(f"{common}/config", CONFIG_LIMIT)
    return _run(os.devnull, "config", "--file=-", "--no-includes", *query, stdin=content)


def _read(path: str, limit: int = OUTPUT_LIMIT) -> str:
    """The start of a file of git's own, as `_bytes` gives it."""
    return _bytes(path, limit).decode(errors="replace")


def _bytes(path: str, limit: int) -> bytes:
    """The start of a file; empty if it is missing, not a regular file or outside the roots."""
    with suppress(OSError):
        if resolved := _inside(path):
            return read_start(resolved, limit, follow_link=False)
    return b""


def _run(git_dir: str, *arguments: str, stdin: bytes = b"") -> str:
    """What git prints, "" if it fails, never ends or prints too much."""
    try:
        result = subprocess.run(  # noqa: S603 - a fixed program, arguments as a list
            ["git", f"--git-dir={git_dir}", *arguments],  # noqa: S607 - found on our own PATH
            cwd="/",
            env=_environment(),
            input=stdin,
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
        "GIT_ALLOC_LIMIT": "64m",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
