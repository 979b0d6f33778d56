"""What git says of a project, read without ever running a program of the repository.

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
from pathlib import Path

from sessions_app.files import read_start

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
    root = _root(project)
    return str(project.relative_to(root.parent)) if root else project.name or str(project)


def describe(project: Path) -> dict[str, str]:
    """`repository` (remote, credentials removed) and `branch`, as far as they are known."""
    git_dir = _git_dir(project)
    if git_dir is None:
        return {}
    remote = _config(_common(git_dir), "--get", "remote.origin.url")
    with _isolated(git_dir) as isolated:
        branch = _run(isolated, "symbolic-ref", "--quiet", "--short", "HEAD")
    found = {"repository": CREDENTIALS.sub(r"\1", remote), "branch": branch}
    return {key: value for key, value in found.items() if value}


def head(project: Path) -> str | None:
    """The commit that HEAD names, or None. Read from the files: a worker asks twice a run."""
    git_dir = _git_dir(project)
    if git_dir is None:
        return None
    common = _common(git_dir)
    if (common / "reftable").exists():
        with _isolated(git_dir) as isolated:
            return _run(isolated, "rev-parse", "--verify", "--quiet", "HEAD") or None
    return _commit(git_dir, common)


def _commit(git_dir: Path, common: Path) -> str | None:
    text = _read(git_dir / "HEAD").strip()
    for _ in range(REFERENCE_DEPTH):
        if COMMIT.fullmatch(text):
            return text
        name = text.removeprefix("ref: ")
        if not name.startswith("refs/") or ".." in name:
            return None
        text = (_read(git_dir / name) or _read(common / name)).strip() or _packed(common, name)
    return None


def _packed(common: Path, name: str) -> str:
    """The commit of a reference in `packed-refs`, "" if it is not there."""
    lines = _read(common / "packed-refs", PACKED_LIMIT).splitlines()
    return next((line.split(" ")[0] for line in lines if line.endswith(f" {name}")), "")


def _root(project: Path) -> Path | None:
    return next(
        (path for path in (project, *project.parents) if os.path.exists(path / ".git")), None
    )


def _git_dir(project: Path) -> Path | None:
    root = _root(project)
    if root is None:
        return None
    if (root / ".git").is_dir():
        return root / ".git"
    # A worktree or submodule: a file that says where its git directory is.
    _, _, target = _read(root / ".git").partition("gitdir: ")
    return root / target.strip() if target.strip() else None


def _common(git_dir: Path) -> Path:
    """Where a worktree's git directory has its references, objects and configuration."""
    return git_dir / _read(git_dir / "commondir").strip()


@contextmanager
def _isolated(git_dir: Path) -> Iterator[Path]:
    common = _common(git_dir)
    with tempfile.TemporaryDirectory(prefix="pokecode-git-") as directory:
        isolated = Path(directory)
        for name in REFERENCES:
            if os.path.lexists(common / name):
                (isolated / name).symlink_to(common / name)
        (isolated / "objects").mkdir()
        (isolated / "HEAD").write_text(_read(git_dir / "HEAD"))
        (isolated / "config").write_text(_own_config(common))
        yield isolated


def _own_config(common: Path) -> str:
    found = _config(common, "--get-regexp", r"^extensions\.(objectformat|refstorage)$")
    lines = ["[core]", "repositoryformatversion = 1", "bare = true", "[extensions]"]
    for line in FORMATS.intersection(found.splitlines()):
        key, value = line.removeprefix("extensions.").split(" ")
        lines.append(f"{key} = {value}")
    return "\n".join(lines) + "\n"


def _config(common: Path, *query: str) -> str:
    file = str(common / "config")
    return _run(Path(os.devnull), "config", "--file", file, "--no-includes", *query)


def _read(path: Path, limit: int = OUTPUT_LIMIT) -> str:
    """The start of a file of git's own; "" for what is missing or no regular file."""
    try:
        return read_start(path, limit).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _run(git_dir: Path, *arguments: str) -> str:
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
