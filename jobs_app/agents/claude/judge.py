"""How Claude Code's end is judged. What it does was measured with 2.1.330 and 2.1.197."""

from typing import Any

from django.utils import timezone

from jobs_app.agents import verdicts
from jobs_app.agents.base import Denials, Turn
from jobs_app.agents.limits import Windows
from jobs_app.agents.verdicts import Rule, Signs
from jobs_app.outcomes import Verdict
from sessions_app.validation import printable

NAME = "Claude Code"

# The codes are those of the `error` key of assistant events and of the result's
# subtype, terminal_reason and stop_reason. The words on credit and usage limits
# are assumed, the others measured.
RULES = (
    Rule(
        "{tool} put off a tool call that a hook of its settings wants to decide later ({words}), "
        "so its work is not done: decide it there, then queue a prompt to continue.",
        codes=("tool_deferred",),
    ),
    Rule(
        "A hook of {tool}'s settings on this host refused this prompt: {words}.",
        codes=("blocked_by_hook", "stopped_by_hook"),
    ),
    Rule(verdicts.TOO_LONG, "prompt is too long", codes=("prompt_too_long",)),
    Rule(
        "{tool} stopped at a limit of this host's settings ({words}): queue a prompt to continue.",
        codes=("error_max_turns", "error_max_budget_usd", "max_turns"),
    ),
    Rule("The model refused this prompt: rephrase it.", codes=("refusal",)),
    Rule(verdicts.ANSWER_TOO_LONG, "output token maximum", codes=("max_tokens",)),
    Rule(
        verdicts.CONVERSATION_GONE,
        "no conversation found|--resume requires a valid",
        lost_conversation=True,
    ),
    Rule(
        "{tool} is not logged in on this host: run `claude` there and log in, "
        "or set ANTHROPIC_API_KEY.",
        "not logged in|please run /login",
    ),
    Rule(
        "The login of {tool} on this host is not valid: run `claude` there and log in again, "
        "or correct ANTHROPIC_API_KEY.",
        statuses=(401,),
    ),
    Rule(verdicts.UNKNOWN_MODEL, statuses=(404,), codes=("model_not_found",)),
    Rule(verdicts.NO_CREDIT, "credit balance", statuses=(402,), codes=("billing_error",)),
    verdicts.USAGE_LIMIT,
    Rule(
        verdicts.REFUSED_REQUEST,
        statuses=(400, 403, 413),
        codes=("invalid_request", "authentication_failed"),
    ),
    Rule(
        "{tool} could not reach the model's server: {words}.",
        "ECONN|ENOTFOUND|ETIMEDOUT|connection (refused|error)|unable to connect",
        permanent=False,
    ),
    verdicts.SERVER_FAULT,
    Rule(
        "{tool} was interrupted from outside.",
        codes=("aborted_streaming", "aborted_tools"),
        permanent=False,
    ),
)

START_RULES = (
    Rule(
        "{tool} refuses to bypass permissions for the user root: set "
        "POKECODE_CLAUDE_PERMISSION_MODE=acceptEdits, or run the job processor as another user.",
        "cannot be used with root",
    ),
    Rule("The project's directory no longer exists.", "current directory no longer exists"),
    Rule(verdicts.CONVERSATION_GONE, "no conversation found", lost_conversation=True),
)


class ClaudeObserver:
    """Judges an attempt by its last result: it may have several."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._began = False
        self._result: dict[str, Any] | None = None
        self._has_gone_on = False
        self.is_in_background = False
        self._error_code = self._error_words = ""
        self._windows = Windows()
        self._denied: dict[str, str] = {}

    def observe(self, data: dict[str, Any]) -> None:
        self._began = True
        match data.get("type"):
            case "result":
                self._observe_result(data)
            case "assistant":
                self._error_code = str(data.get("error") or "")
                self._error_words = _spoken(data) if self._error_code else ""
                self._go_on(data)
            case "user":
                self._go_on(data)
            case "system":
                self._observe_system(data)
            case "rate_limit_event":
                self._windows.tell(data.get("rate_limit_info"), timezone.now())

    def _observe_system(self, data: dict[str, Any]) -> None:
        match data.get("subtype"):
            case "init":
                self._go_on(data)
            case "informational":
                self._observe_hook(data)
            case "background_tasks_changed":  # their end begins another turn by itself
                self.is_in_background = bool(data.get("tasks"))

    def _observe_hook(self, data: dict[str, Any]) -> None:
        """A prompt that a hook refuses has no result of its own but an empty one."""
        told = data.get("prompt_submit_outcome")
        if self._result is None and isinstance(told, dict):
            why = str(told.get("reason") or data.get("content") or "")
            self._result = {"is_error": True, "subtype": str(told.get("kind")), "result": why}

    def _go_on(self, data: dict[str, Any]) -> None:
        """What comes after a result belongs to another turn, unless a sub-agent says it."""
        if not data.get("parent_tool_use_id"):
            self._has_gone_on = True

    def _observe_result(self, result: dict[str, Any]) -> None:
        # A resume after a killed background task begins with an empty result.
        if result.get("is_error") is False and result.get("num_turns") == 0:
            return
        self._result, self._has_gone_on = result, False
        denials = result.get("permission_denials")
        for denial in denials if isinstance(denials, list) else ():
            if isinstance(denial, dict):
                self._denied[str(denial.get("tool_use_id"))] = _described(denial)

    @property
    def is_over(self) -> bool:
        return self._result is not None and not self._has_gone_on and not self.is_in_background

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        name, result = NAME, self._result
        if result is None and exit_code == 1 and self._error_code:
            result = {"is_error": True, "result": self._error_words}
        if result is None or (exit_code and self._has_gone_on and not result.get("is_error")):
            otherwise = verdicts.UNKNOWN if self._began else verdicts.NOT_STARTED
            return verdicts.without_result(
                START_RULES, exit_code, stderr, name, self._turn, otherwise
            )
        if _is_success(result):
            return verdicts.success(Denials(list(self._denied.values())), name, exit_code)
        return verdicts.failure(RULES, self._signs(result), name, self._turn)

    def _signs(self, result: dict[str, Any]) -> Signs:
        status = result.get("api_error_status")
        keys = ("subtype", "terminal_reason", "stop_reason")
        codes = [self._error_code, *(str(result.get(key)) for key in keys)]
        return Signs(
            _words(result)[: verdicts.DETAIL_LIMIT],
            status if isinstance(status, int) else None,
            codes,
            self._windows.end(timezone.now()),
        )


def _spoken(data: dict[str, Any]) -> str:
    """The text of an assistant's message; with its `error`, what went wrong."""
    message = data.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    blocks = content if isinstance(content, list) else ()
    return " ".join(str(block.get("text", "")) for block in blocks if isinstance(block, dict))


UNDONE = (
    "aborted_streaming",
    "aborted_tools",
    "blocking_limit",
    "image_error",
    "max_turns",
    "model_error",
    "prompt_too_long",
    "rapid_refill_breaker",
    "tool_deferred",
)
"""Why a turn ended that reports no error and yet was not done."""


def _is_success(result: dict[str, Any]) -> bool:
    """A result without `is_error` is judged by its subtype; one that names an error is none."""
    reasons = (result.get("terminal_reason"), result.get("stop_reason"))
    subtype, is_error = str(result.get("subtype") or ""), result.get("is_error")
    claims = is_error is False or (is_error is None and subtype == "success")
    return claims and not subtype.startswith("error") and not any(r in UNDONE for r in reasons)


def _words(result: dict[str, Any]) -> str:
    """A result has a text `result`, or one of the error_* subtypes a list `errors`; without an
    error that text is the model's, which explains nothing."""
    said, errors, deferred = (result.get(k) for k in ("result", "errors", "deferred_tool_use"))
    if result.get("is_error") is False:
        named = deferred if isinstance(deferred, dict) else {}
        call = {"tool_name": named.get("name"), "tool_input": named.get("input")}
        if named:
            return _described(call)
    elif isinstance(said, str):
        return said
    return " ".join(map(str, errors)) if isinstance(errors, list) else ""


def _described(denial: dict[str, Any]) -> str:
    """A refused call by its tool and what it would have done."""
    name, arguments = denial.get("tool_name"), denial.get("tool_input")
    known = arguments if isinstance(arguments, dict) else {}
    keys = ("command", "file_path", "path", "url", "pattern")
    what = next((known[key] for key in keys if isinstance(known.get(key), str)), "")
    return printable(f"{name} ({what})" if what else str(name), 120)
