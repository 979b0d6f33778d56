"""What the demo agent does with a prompt: a tour of the project, reported in Markdown."""

import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path

from jobs_app.demo import notes
from jobs_app.demo.stream import Stream

GREETING = (
    "I am PokéCode's demo agent. There is no model behind me: I look at this project "
    "with a few small programs and report what they find."
)
HEARD = "What I know of it, such as *plan*, *diff* or *notes*, I do as well."
FAILURE = "The demo agent failed because the prompt asked it to."
FILES_LIMIT = 200
LISTED_FILES = 12
SLOW_STEPS = 20

# A configuration of only these lines names no program that git could run.
PLAIN_GIT_CONFIG = re.compile(
    r"\s*(\[core\]|(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase"
    r"|precomposeunicode) = (0|true|false))\s*"
)


def answer(stream: Stream, prompt: str) -> int:
    """Do what the prompt's known words ask for; returns the program's exit code."""
    stream.start(prompt)
    report = notes.go_on(stream, prompt)
    if report is not None:
        return stream.finish(report)
    stream.say(GREETING)
    tour = Tour(stream, prompt)
    tour.walk()
    if tour.is_asked_for("fail", "fails"):
        return stream.fail(FAILURE)
    return stream.finish(tour.report())


class Tour:
    """What is found out about the project in the current directory, step by step."""

    def __init__(self, stream: Stream, prompt: str) -> None:
        self._stream = stream
        self._wanted = _words(prompt)
        self._files: list[str] = []
        self._lines: dict[str, int] = {}
        self._commits: list[str] = []
        self._title = ""

    def is_asked_for(self, *words: str) -> bool:
        return not self._wanted.isdisjoint(words)

    def walk(self) -> None:
        """Take all steps, those too that are asked for on the way."""
        done: list[str] = []
        while left := [step for step in self._steps() if step not in done]:
            self._show_plan(len(done))
            self._steps()[left[0]]()
            done.append(left[0])
            self._listen()
        self._show_plan(len(done))

    def report(self) -> str:
        """The summary, and the notes if they are asked for."""
        if not self.is_asked_for("note", "notes"):
            return self.summary()
        files = [f"- {_plain(name)}: {count} lines" for name, count in self._longest()]
        commits = [f"- {commit}" for commit in self._commits]
        lines = {"The files": files, "The history": commits}
        made = notes.Notes(self._title or "this project", lines, self.summary())
        outcome = notes.begin(self._stream, made)
        self._listen()
        return f"{self.summary()}\n\n{outcome}"

    def _steps(self) -> dict[str, Callable[[], None]]:
        """The steps to take, by their names."""
        steps: dict[str, Callable[[], None]] = {
            "List the files": self._list_files,
            "Count their lines": self._count_lines,
            "Read the README": self._read_readme,
            "Read the history": self._read_history,
        }
        if self.is_asked_for("diff", "edit"):
            steps["Look at the last change"] = self._show_last_change
        if self.is_asked_for("slow"):
            steps["Look at every file closely"] = self._look_closely
        return steps

    def _show_plan(self, done: int) -> None:
        if self.is_asked_for("plan"):
            self._stream.plan(list(self._steps()), done)

    def _listen(self) -> None:
        for text in self._stream.heard():
            self._wanted |= _words(text)
            quoted = "\n".join(f"> {line}" for line in text.splitlines())
            self._stream.say(f"While I was working you told me:\n\n{quoted}\n\n{HEARD}")

    def summary(self) -> str:
        parts = [
            f"## {self._title or 'This project'}",
            self._size(),
            self._table(),
            self._history(),
            "_Found by PokéCode's demo agent; no model was used._",
        ]
        return "\n\n".join(filter(None, parts))

    def _list_files(self) -> None:
        argv = ["find", ".", "-name", ".git", "-prune", "-o", "-type", "f", "-print"]
        found = self._stream.command(argv, "List the project's files").splitlines()
        self._files = sorted(name for name in found if os.path.isfile(name))[:FILES_LIMIT]

    def _count_lines(self) -> None:
        if not self._files:
            return
        counted = self._stream.command(["wc", "-l", *self._files], "Count the lines")
        for row in counted.splitlines():
            count, _, name = row.strip().partition(" ")
            if name in self._files and count.isdecimal():
                self._lines[name] = int(count)

    def _read_readme(self) -> None:
        readme = next((name for name in self._files if name.startswith("./README")), None)
        if readme is None:
            return
        headings = re.findall(r"^#+ +(.+)", self._stream.read_file(readme), re.MULTILINE)
        self._title = headings[0].strip() if headings else ""

    def _read_history(self) -> None:
        if not is_plain_repository():
            self._stream.say("There is no git history here that I can read without risk.")
            return
        argv = ["git", "log", "--format=%h %as %an: %s", "--max-count=10"]
        self._commits = self._stream.command(argv, "Read the latest commits").splitlines()

    def _show_last_change(self) -> None:
        if is_plain_repository():
            argv = ["git", "show", "--stat", "--patch", "--no-ext-diff", "--no-textconv", "HEAD"]
            self._stream.command(argv, "Show the last commit's change")

    def _look_closely(self) -> None:
        looks = itertools.product((["wc", "-w"], ["wc", "-c"], ["cksum"]), self._files)
        for argv, name in itertools.islice(itertools.cycle(looks), SLOW_STEPS):
            self._stream.command([*argv, name], "Look at one file closely")
            self._stream.pause(1)
            self._listen()

    def _size(self) -> str:
        return f"**{len(self._files)} files with {sum(self._lines.values())} lines.**"

    def _table(self) -> str:
        rows = [f"| {_code(name)} | {count} |" for name, count in self._longest()]
        return "\n".join(["| File | Lines |", "| --- | ---: |", *rows]) if rows else ""

    def _longest(self) -> list[tuple[str, int]]:
        return sorted(self._lines.items(), key=lambda item: (-item[1], item[0]))[:LISTED_FILES]

    def _history(self) -> str:
        commits = [f"- {_code(commit)}" for commit in self._commits]
        return "\n".join(["### The latest commits", "", *commits]) if commits else ""


def is_plain_repository() -> bool:
    """Whether git can read here without running a program that the repository names."""
    if os.path.exists(".git/commondir"):  # its configuration is elsewhere
        return False
    try:
        config = Path(".git/config").read_text()
    except (OSError, ValueError):
        return False
    return all(PLAIN_GIT_CONFIG.fullmatch(line) for line in config.splitlines())


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _code(text: str) -> str:
    """Text as Markdown code that fits a table's cell."""
    return "`" + _plain(re.sub(r"[`|]", "'", text)) + "`"
