"""What the protocols share: the conversation's memory, and the commands that really run."""

import json
import os
import subprocess
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAUSE = 0.2
PIECE_PAUSE = 0.05
PIECES = 20
COMMAND_TIMEOUT = 20
OUTPUT_LIMIT = 30_000

# The settings of the machine and of its user may also name programs.
GIT_ENVIRONMENT = {
    "GIT_DIR": ".git",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
}


class Interrupted(Exception):
    """The turn is to stop."""


@dataclass(frozen=True)
class Question:
    """`choices` are label -> description; another answer may be typed."""

    id: str
    text: str
    header: str
    choices: Mapping[str, str]


class Memory:
    """What the agent remembers of a conversation: its id, the words of all its turns, and what it
    has asked a person and not been answered yet."""

    def __init__(
        self,
        id: str,
        words_in: int = 0,
        words_out: int = 0,
        open: dict[str, Any] | None = None,
    ) -> None:
        self.id = id
        self.words_in = words_in
        self.words_out = words_out
        self.open = open

    @classmethod
    def new(cls) -> "Memory":
        return cls(str(uuid.uuid4()))

    @classmethod
    def of(cls, id: str) -> "Memory | None":
        """That of the conversation with this id, if there is one."""
        try:
            return cls(**json.loads(_memory(id).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, open: dict[str, Any]) -> None:
        """Remember what is about to be asked, whatever happens to this process."""
        self.open = open
        self.save()

    def save(self) -> None:
        path = _memory(self.id)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(json.dumps(vars(self)))
        except OSError as error:
            print(f"This conversation cannot be resumed: {error}", file=sys.stderr)  # noqa: T201


def _memory(id: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "pokecode-demo" / f"{uuid.UUID(id)}.json"


class Stream(ABC):
    """Turns as the events of a protocol, one JSON object per line."""

    can_ask = False
    """Whether a person can be asked."""

    def __init__(self, conversation: Memory) -> None:
        self.conversation = conversation
        self.first_words = (0, 0)

    def start(self, prompt: str) -> None:
        """Begin a turn, and count its words from here on."""
        self.first_words = (self.conversation.words_in, self.conversation.words_out)
        self.read(prompt)
        self.begin()

    @abstractmethod
    def begin(self) -> None: ...

    @abstractmethod
    def say(self, text: str) -> None: ...

    @abstractmethod
    def command(self, argv: list[str], description: str) -> str:
        """Show and run a command; returns what it printed."""

    @abstractmethod
    def read_file(self, name: str) -> str:
        """Show and read a file in the current directory; returns its text."""

    @abstractmethod
    def plan(self, steps: list[str], done: int) -> None:
        """Show the plan with the first `done` of its steps completed."""

    @abstractmethod
    def finish(self, text: str) -> int:
        """Say the last words; returns the program's exit code."""

    @abstractmethod
    def fail(self, text: str) -> int:
        """End with that error; returns the program's exit code."""

    @abstractmethod
    def interrupted(self) -> int:
        """End as the real tool does on SIGINT; returns the program's exit code."""

    def choose(self, question: Question) -> str | None:
        """Ask a person; returns what was chosen or typed, None if it was refused."""
        raise NotImplementedError

    def ask_to_write(self, name: str, text: str) -> bool:
        """Write a file in the current directory if a person allows it; returns whether it did."""
        raise NotImplementedError

    def heard(self) -> Sequence[str]:
        """What people have said in the middle of the turn, each once."""
        return ()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def read(self, text: str) -> None:
        self.conversation.words_in += len(text.split())

    def wrote(self, text: str) -> None:
        self.conversation.words_out += len(text.split())

    def emit(self, event: dict[str, Any]) -> None:
        sys.stdout.buffer.write(json.dumps(event).encode() + b"\n")
        sys.stdout.buffer.flush()

    def run(self, argv: list[str]) -> tuple[str, int]:
        """Run a command; returns what it prints, both outputs together, and its exit code."""
        self.pause(PAUSE)
        try:
            done = subprocess.run(  # noqa: S603 - our own commands, no shell
                argv,
                env={**os.environ, **GIT_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_TIMEOUT,
                check=False,
            )
            text, code = done.stdout.decode(errors="replace")[:OUTPUT_LIMIT], done.returncode
        except FileNotFoundError:
            text, code = f"{argv[0]}: command not found", 127
        except subprocess.TimeoutExpired:
            text, code = f"{argv[0]} took longer than {COMMAND_TIMEOUT} s", 124
        self.read(text)
        return text, code


def pieces(text: str) -> Iterator[str]:
    """The text in pieces, as a model writes it."""
    size = max(12, -(-len(text) // PIECES))
    return (text[place : place + size] for place in range(0, len(text), size))
