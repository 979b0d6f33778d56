"""What an agent asks of a person while it works, read from the request as it came."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

COMMAND_TOOL = "Bash"
"""Claude's, which takes a description with each command."""

ACCEPT_EDITS = "acceptEdits"
ASK_FOR_EDITS = "default"
MODES = (ACCEPT_EDITS, ASK_FOR_EDITS)
"""How the edits of an approved plan may go on: without asking for each, or asking (Claude)."""


@dataclass(frozen=True, slots=True)
class Choice:
    label: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """`key` is the name under which its answer goes back; `takes_text` says that words of a
    person's own are an answer as well."""

    key: str
    text: str
    header: str = ""
    choices: Sequence[Choice] = ()
    takes_several: bool = False
    takes_text: bool = True
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """`kind` is permission, question or plan. `input` is what would run, whole and unshortened:
    for codex's commands `{"command", "cwd"}`, for its patches `{"changes": […]}`."""

    id: str
    """The tool's own id of the request, as JSON: codex's are numbers."""

    kind: str
    tool: str
    input: dict[str, Any] = field(default_factory=dict)
    call_id: str | None = None
    agent_id: str | None = None
    """The sub-agent that asks, if one does."""

    reason: str = ""
    """Why, in the agent's words."""

    rules: Sequence[str] = ()
    """Rules in the form of a session's allowed tools that "for this session" would add (Claude)."""

    may_change: bool = False
    """Whether the input may be sent back changed."""

    may_allow_session: bool = False
    leaves_sandbox: bool = False
    """Whether what is allowed then runs outside the sandbox (Codex)."""

    questions: Sequence[Question] = ()
    plan: str = ""
    """Markdown."""

    @property
    def key(self) -> str:
        """Tells the requests of a session apart: codex counts its ids from 0 in each run."""
        named = f"{self.id}\n{self.call_id}".encode(errors="surrogatepass")
        return hashlib.sha256(named).hexdigest()[:16]

    @property
    def what_runs(self) -> str:
        """The same text for the same call. The description that a model gives with a command says
        nothing about what runs, and is worded anew each time; to other tools it may be all."""
        aside = {"description"} if self.tool == COMMAND_TOOL else set()
        input = {key: value for key, value in self.input.items() if key not in aside}
        questions = [
            [each.key, each.text, [c.label for c in each.choices]] for each in self.questions
        ]
        return json.dumps([self.kind, self.tool, input, questions], sort_keys=True)

    def changed(self, input: dict[str, Any]) -> "Asked":
        """The same request about another input."""
        return replace(self, input=input)
