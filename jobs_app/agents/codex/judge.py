"""How Codex's end is judged. What it does was measured with codex 0.169.0."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from jobs_app.agents import limits, verdicts
from jobs_app.agents.base import Denials, Turn
from jobs_app.agents.verdicts import Rule, Signs
from jobs_app.outcomes import Verdict
from sessions_app.providers import codex_app_server
from sessions_app.providers.reading import number, snake

NAME = "Codex"

STATUS = re.compile(r"\bstatus(?:_code)?\"?:? ?(\d{3})\b")
COLOR = re.compile(r"\x1b\[[0-9;]*m")
REJECTED = re.compile(
    r"ERROR codex_core::tools::router: error=(?:patch rejected: |(?=approval policy is Never))(.+)"
)

# The words on logins, credit and usage limits are assumed, the others measured.
RULES = (
    Rule(
        verdicts.TOO_LONG,
        "prompt is too long|context window|exceeds the maximum length",
        codes=("context_length_exceeded", "context_window_exceeded"),
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
        codes=("unauthorized",),
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
        codes=("invalid_request_error", "bad_request"),
    ),
    verdicts.SERVER_FAULT,
    Rule(
        "The model's server failed, which is usually temporary: {words}.",
        codes=("internal_server_error", "server_overloaded"),
        permanent=False,
    ),
    Rule(
        "{tool} could not reach the model's server or lost the connection: {words}.",
        "stream disconnected|connection failed|error sending request",
        permanent=False,
    ),
)

INTERRUPTED = Rule("{tool} was interrupted from outside.", permanent=False)

START_RULES = (
    Rule(verdicts.TOO_LONG, "exceeds the maximum length"),
    Rule(verdicts.CONVERSATION_GONE, "no rollout found|invalid thread id", lost_conversation=True),
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
        self._complaint: Any = None
        self._is_refused = False
        self.is_interrupted = False
        self._said_ahead: Any = None
        self._windows: dict[str, Any] = {}

    def observe(self, data: dict[str, Any]) -> None:
        if codex_app_server.is_message(data):
            self._windows |= codex_app_server.limits(data)
            data = codex_app_server.as_exec(data)
        match data.get("type"):
            case "thread.started":
                self._thread = str(data.get("thread_id"))
            case "turn.started":
                self._completed, self._complaint = False, None
            case "turn.completed":
                self._completed, self._complaint = True, None
            case "error":  # a retry, or what turn.failed says again, if the tool comes to that
                self._said_ahead = data
            case "turn.failed":
                self._completed, self._complaint = False, data.get("error") or {}
            case "turn.interrupted":
                self.is_interrupted = True

    def refused(self, error: dict[str, Any]) -> None:
        """The app-server's answer to a call without which there is no turn."""
        self._is_refused, self._complaint = True, error

    @property
    def is_over(self) -> bool:
        return self._completed or self.is_interrupted or self._complaint is not None

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        stderr = COLOR.sub("", stderr)
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
        if self.is_interrupted:
            return verdicts.failure([], Signs(""), name, turn, INTERRUPTED)
        if self._is_refused:
            rules = (*START_RULES, *RULES)
            return verdicts.failure(
                rules, _signs(self._complaint), name, turn, verdicts.NOT_STARTED
            )
        if self._complaint is not None:
            return verdicts.failure(RULES, self._told_signs(), name, turn)
        if exit_code == 1 and self._said_ahead is not None:
            return verdicts.failure(RULES, _signs(self._said_ahead), name, turn)
        otherwise = verdicts.UNKNOWN if self._thread is not None else verdicts.NOT_STARTED
        return verdicts.without_result(START_RULES, exit_code, stderr, name, turn, otherwise)

    def _told_signs(self) -> Signs:
        """With the end of a limit where it was told only before, with a retry or a call."""
        signs = _signs(self._complaint)
        ahead = _signs(self._said_ahead).limited_until or _end_of(self._windows)
        return replace(signs, limited_until=signs.limited_until or ahead)


def _message(error: Any) -> str:
    """An error's words: its message, the error within it, or the error itself if it is a text."""
    if not isinstance(error, dict):
        return error if isinstance(error, str) else ""
    message = error.get("message")
    return str(message) if message else _message(error.get("error"))


def _info(error: Any) -> str:
    """The app-server's own name for an error, "" without one: a text, or an object by name."""
    info = error.get("codexErrorInfo") if isinstance(error, dict) else None
    name = next(iter(info), "") if isinstance(info, dict) else info
    return snake(name) if isinstance(name, str) else ""


def _status(error: Any, message: str) -> int | None:
    info = error.get("codexErrorInfo") if isinstance(error, dict) else None
    held = next(iter(info.values()), None) if isinstance(info, dict) else None
    told = held.get("httpStatusCode") if isinstance(held, dict) else None
    if isinstance(told, int):
        return told
    found = STATUS.search(message)
    return int(found[1]) if found else None


def _signs(error: Any) -> Signs:
    """A message is plain words, or the body of the server's answer as it came, or both."""
    message = _message(error)
    body = limits.embedded_object(message)
    inner = body.get("error")
    told = inner if isinstance(inner, dict) else {}
    words = str(told.get("message") or message) if message.startswith("{") else message
    return Signs(
        words[: verdicts.DETAIL_LIMIT],
        _status(error, message),
        [str(told.get("type")), str(told.get("code")), _info(error)],
        limits.limit_end(message, timezone.now()),
    )


def _end_of(windows: dict[str, Any]) -> datetime | None:
    """When the last of the windows ends whose calls are used up."""
    used_up = [window for window in windows.values() if _is_used_up(window)]
    ends = [limits.limit_end(window, timezone.now()) for window in used_up]
    return max(filter(None, ends), default=None)


def _is_used_up(window: Any) -> bool:
    return isinstance(window, dict) and (number(window, "usedPercent") or 0) >= 100


def _denials(stderr: str) -> Denials:
    """What the policy refused; the tool says nothing about a command that the sandbox stopped, and
    what a person denied, that person knows."""
    return Denials([verdicts.quoted(reason) for reason in REJECTED.findall(stderr)])
