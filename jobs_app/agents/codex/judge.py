"""How Codex's end is judged. What it does was measured with codex 0.169.0."""

import re
from dataclasses import replace
from typing import Any

from django.utils import timezone

from jobs_app.agents import limits, verdicts
from jobs_app.agents.base import Denials, Turn
from jobs_app.agents.verdicts import Rule, Signs
from jobs_app.outcomes import Verdict

NAME = "Codex"

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
            return verdicts.success(_denials(stderr), NAME, exit_code)
        return self._failure(exit_code, stderr)

    @property
    def _is_another_conversation(self) -> bool:
        asked = self._turn.resume
        return bool(asked and self._thread and self._thread.lower() != asked.lower())

    def _failure(self, exit_code: int, stderr: str) -> Verdict:
        name, turn = NAME, self._turn
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
