"""Codex, run headless. What it does was measured with codex 0.169.0."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from jobs_app.agents import instructions, limits, verdicts
from jobs_app.agents.arguments import checked
from jobs_app.agents.base import Denials, Turn
from jobs_app.agents.environment import environment, native_codex, resolved
from jobs_app.agents.untrusted_git import without_programs
from jobs_app.agents.verdicts import Rule, Signs
from jobs_app.outcomes import Verdict
from jobs_app.processes.spawning import Command

OPTIONS = (
    "--json",
    "--skip-git-repo-check",
    # Otherwise every start asks github.com for plugins.
    "--disable=plugins",
    # Otherwise it waits without end for a server that refuses connections.
    "--disable=unbounded_connection_retries",
)

INSTRUCTIONS = ("AGENTS.md",)

STATUS = re.compile(r"\bstatus(?:_code)?\"?:? ?(\d{3})\b")
PATCH_REJECTED = re.compile(r"ERROR codex_core::tools::router: error=patch rejected: (.+)")

# The words on logins, credit and usage limits are assumed, the others measured.
RULES = (
    Rule(
        verdicts.TOO_LONG,
        "prompt is too long|context window|exceeds the maximum length",
        codes=("context_length_exceeded",),
    ),
    Rule(verdicts.ANSWER_TOO_LONG, "reason: max_output_tokens"),
    Rule(
        "{tool} has no API key on this host: set it in the environment of the job processor "
        "({words}).",
        "missing environment variable",
    ),
    Rule(
        "{tool} is not logged in on this host: run `codex login` there, "
        "or correct its API key ({words}).",
        "not logged in",
        statuses=(401,),
    ),
    Rule(
        verdicts.UNKNOWN_MODEL,
        "model .{0,200}(does not exist|not supported)",
        codes=("model_not_found",),
    ),
    Rule(verdicts.NO_CREDIT, "quota exceeded", statuses=(402,), codes=("insufficient_quota",)),
    verdicts.USAGE_LIMIT,
    Rule(
        verdicts.REFUSED_REQUEST,
        statuses=(400, 403, 404, 413),
        codes=("invalid_request_error",),
    ),
    verdicts.SERVER_FAULT,
    Rule(
        "{tool} could not reach the model's server or lost the connection: {words}.",
        "stream disconnected|connection failed|error sending request",
        permanent=False,
    ),
)

START_RULES = (
    Rule(verdicts.TOO_LONG, "exceeds the maximum length"),
    Rule(verdicts.CONVERSATION_GONE, "no rollout found", lost_conversation=True),
    Rule(
        "Another {tool} has this conversation open: close it there.",
        "already has an active writer",
        permanent=False,
    ),
    Rule("The project's directory no longer exists.", r"no such file or directory \(os error 2\)"),
)


class CodexAgent:
    """Drives `codex exec`. It has no list of allowed tools: only its sandbox decides."""

    name = "Codex"
    install_hint = "Install it with `npm install -g @openai/codex`, or set POKECODE_CODEX_COMMAND."

    def command(self) -> Sequence[str]:
        return list(settings.POKECODE_CODEX_COMMAND)

    def launch(self, turn: Turn) -> Command:
        """See Agent."""
        checked(turn)
        program, *words = resolved(self.command())
        return Command(
            [native_codex(program), *words, *self._options(turn)],
            self._environment(turn),
            self._prompt(turn).encode(),
        )

    def _environment(self, turn: Turn) -> dict[str, str]:
        own = environment(turn.attempt_id, {})
        return own if turn.trusted else without_programs(own, turn.project_path)

    def _options(self, turn: Turn) -> list[str]:
        # The sandbox is not remembered by a conversation, and must come before `resume`.
        options = ["exec", *OPTIONS, f"--sandbox={settings.POKECODE_CODEX_SANDBOX}"]
        options.append(f"--config=projects={_trust(turn)}")
        if turn.model:
            options.append(f"--model={turn.model}")
        if turn.resume:
            options += ["resume", turn.resume]
        return [*options, "-"]

    def _prompt(self, turn: Turn) -> str:
        """The first prompt of a conversation brings the context, which argv would show."""
        if turn.resume:
            return turn.prompt
        text = instructions.preamble(
            turn.context, turn.project_path, INSTRUCTIONS, trusted=turn.trusted
        )
        return f"{text}\n\nThe task:\n\n{turn.prompt}" if text else turn.prompt

    def observer(self, turn: Turn) -> "CodexObserver":
        return CodexObserver(turn)


def _trust(turn: Turn) -> str:
    """A TOML table of the trust in the project's directory.

    The form `projects."path".trust_level=…` is split at the dots in the path, and
    ignored. An untrusted project is named with all directories above it, in case
    the user's own configuration trusts one; AGENTS.md is then not read either.
    """
    path = Path(turn.project_path)
    if turn.trusted:
        return _toml_table([path], "trusted")
    return _toml_table([path, *path.parents], "untrusted")


def _toml_table(directories: Sequence[Path], level: str) -> str:
    entries = (f'{_toml(str(directory))}={{trust_level="{level}"}}' for directory in directories)
    return f"{{{','.join(entries)}}}"


def _toml(text: str) -> str:
    """A basic string: as JSON's, but DEL is escaped too, and what is not ASCII is not."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class CodexObserver:
    """Judges an attempt by how its turn ended."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._thread: str | None = None
        self._completed = False
        self._complaint: str | None = None
        self._said_ahead = ""

    def observe(self, data: dict[str, Any]) -> None:
        match data.get("type"):
            case "thread.started":
                self._thread = str(data.get("thread_id"))
            case "turn.started":
                self._completed, self._complaint = False, None
            case "turn.completed":
                self._completed, self._complaint = True, None
            case "error":  # a retry, or what turn.failed says again, if the tool comes to that
                self._said_ahead = _message(data)
            case "turn.failed":
                self._completed, self._complaint = False, _message(data.get("error"))

    @property
    def is_over(self) -> bool:
        return self._completed or self._complaint is not None

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        if self._completed and not self._is_another_conversation:
            return verdicts.success(_denials(stderr), CodexAgent.name, exit_code)
        return self._failure(exit_code, stderr)

    @property
    def _is_another_conversation(self) -> bool:
        asked = self._turn.resume
        return bool(asked and self._thread and self._thread.lower() != asked.lower())

    def _failure(self, exit_code: int, stderr: str) -> Verdict:
        name, turn = CodexAgent.name, self._turn
        if self._is_another_conversation:
            return verdicts.failure([], Signs(""), name, turn, Rule(verdicts.CONVERSATION_GONE))
        if self._complaint is not None:
            signs = _signs(self._complaint)
            if signs.limited_until is None:  # told with a retry, and not again at the end
                signs = replace(signs, limited_until=_signs(self._said_ahead).limited_until)
            return verdicts.failure(RULES, signs, name, turn)
        if exit_code == 1 and self._said_ahead:
            return verdicts.failure(RULES, _signs(self._said_ahead), name, turn)
        otherwise = verdicts.UNKNOWN if self._thread is not None else verdicts.NOT_STARTED
        return verdicts.without_result(START_RULES, exit_code, stderr, name, turn, otherwise)


def _message(error: Any) -> str:
    """An error's words: its message, the error within it, or the error itself if it is a text."""
    if not isinstance(error, dict):
        return error if isinstance(error, str) else ""
    message = error.get("message")
    return str(message) if message else _message(error.get("error"))


def _signs(message: str) -> Signs:
    """A message is plain words, or the body of the server's answer as it came, or both."""
    body = limits.embedded_object(message)
    error = body.get("error")
    told = error if isinstance(error, dict) else {}
    words = str(told.get("message") or message) if message.startswith("{") else message
    found = STATUS.search(message)
    return Signs(
        words[: verdicts.DETAIL_LIMIT],
        int(found[1]) if found else None,
        [str(told.get("type")), str(told.get("code"))],
        limits.limit_end(message, timezone.now()),
    )


def _denials(stderr: str) -> Denials:
    """Refused file changes; the tool says nothing about a command that the sandbox stopped."""
    return Denials([verdicts.quoted(reason) for reason in PATCH_REJECTED.findall(stderr)])
