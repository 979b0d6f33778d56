"""The sample project of the demo: a few small files with a short history."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

README = """\
# Tea timer

Tells how long a tea should steep, and waits for it.

    python tea.py green
"""

FIRST_PROGRAM = """\
import sys
import time

MINUTES = {"black": 4, "green": 2}


def steep(tea):
    time.sleep(MINUTES[tea] * 60)
    print("Your tea is ready.")


if __name__ == "__main__":
    steep(sys.argv[1])
"""

SECOND_PROGRAM = """\
import sys
import time

MINUTES = {"black": 4, "green": 2}


def minutes(tea):
    \"\"\"How long the tea steeps; an unknown one is an error that says what is known.\"\"\"
    if tea not in MINUTES:
        raise SystemExit(f"No such tea: {tea}. Known: {', '.join(sorted(MINUTES))}")
    return MINUTES[tea]


def steep(tea):
    time.sleep(minutes(tea) * 60)
    print("Your tea is ready.")


if __name__ == "__main__":
    steep(sys.argv[1])
"""

THIRD_PROGRAM = SECOND_PROGRAM.replace(
    """    time.sleep(minutes(tea) * 60)
""",
    """    for left in range(minutes(tea), 0, -1):
        print(f"{left} min left")
        time.sleep(60)
""",
)

TESTS = """\
import pytest

import tea


def test_green_tea_is_quick():
    assert tea.minutes("green") < tea.minutes("black")


def test_unknown_tea_names_the_known_ones():
    with pytest.raises(SystemExit, match="black, green"):
        tea.minutes("coffee")
"""

NOTES = """\
# Notes

- Green tea turns bitter after three minutes.
- A second infusion needs one minute more.
"""


class Commit(NamedTuple):
    message: str
    date: str
    files: dict[str, str]


HISTORY = (
    Commit("Say what this is", "2026-03-02T09:00:00+0000", {"README.md": README}),
    Commit("Wait for black and green tea", "2026-03-02T09:40:00+0000", {"tea.py": FIRST_PROGRAM}),
    Commit("Note what the tins say", "2026-03-05T18:15:00+0000", {"docs/notes.md": NOTES}),
    Commit(
        "Refuse unknown teas in words",
        "2026-03-09T08:05:00+0000",
        {"tea.py": SECOND_PROGRAM, "test_tea.py": TESTS},
    ),
    Commit("Say how long it still takes", "2026-03-09T08:30:00+0000", {"tea.py": THIRD_PROGRAM}),
)


def create(path: Path) -> None:
    """Make the sample project at `path`, with its history if git is installed.

    Does nothing if something is there; a half-made one is never visible.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".sample-") as workplace:
        draft = Path(workplace, path.name)
        draft.mkdir()
        _write_history(draft, shutil.which("git"))
        draft.rename(path)


def _write_history(directory: Path, git: str | None) -> None:
    if git:
        _run(git, directory, "init", "--quiet", "--template=")
        _run(git, directory, "symbolic-ref", "HEAD", "refs/heads/main")
    for commit in HISTORY:
        _write(directory, commit.files)
        if git:
            _run(git, directory, "add", "--all")
            message = f"--message={commit.message}"
            _run(git, directory, "commit", "--quiet", message, date=commit.date)


def _write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def _run(git: str, directory: Path, *arguments: str, date: str = "") -> None:
    """Run git with no settings but its own, as a fixed author at a fixed time."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    for role in ("AUTHOR", "COMMITTER"):
        person = {"NAME": "Camellia Sinensis", "EMAIL": "camellia@example.org", "DATE": date}
        environment |= {f"GIT_{role}_{key}": value for key, value in person.items()}
    subprocess.run(  # noqa: S603 - a fixed program, arguments as a list
        [git, *arguments], cwd=directory, env=environment, check=True, capture_output=True
    )
