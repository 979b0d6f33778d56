"""Claude Code, run headless. What it does was measured with claude 2.1.330 and 2.1.197."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from jobs_app.agents import instructions, limits, verdicts
from jobs_app.agents.arguments import checked
from jobs_app.agents.base import Denials, Turn
from jobs_app.agents.environment import environment, resolved
from jobs_app.agents.verdicts import Rule, Signs
from jobs_app.outcomes import Verdict
from jobs_app.processes.spawning import Command
from sessions_app.validation import printable

ENVIRONMENT = {
    # Otherwise 2.1.330 stays alive after its result until background tasks have ended.
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "DISABLE_AUTOUPDATER": "1",
}

# The project's hooks, MCP servers and environment stay off; only the user's own settings count.
UNTRUSTED = ("--setting-sources=user", "--strict-mcp-config")

INSTRUCTIONS = ("CLAUDE.md", ".claude/CLAUDE.md")

# The codes are those of the `error` key of assistant events and of the result's
# subtype, terminal_reason and stop_reason. The words on credit and usage limits
# are assumed, the others measured.
RULES = (
    Rule(verdicts.TOO_LONG, "prompt is too long", codes=("prompt_too_long",)),
    Rule(
        "{tool} stopped at a limit of this host's settings ({words}): queue a prompt to continue.",
        codes=("error_max_turns", "error_max_budget_usd"),
    ),
    Rule("The model refused this prompt: rephrase it.", codes=("refusal",)),
    Rule(verdicts.ANSWER_TOO_LONG, "output token maximum", codes=("max_tokens",)),
    Rule(verdicts.CONVERSATION_GONE, "no conversation found|--resume requires a valid"),
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
    Rule(verdicts.CONVERSATION_GONE, "no conversation found"),
)


class ClaudeAgent:
    """Drives `claude -p`."""

    name = "Claude Code"
    install_hint = (
        "Install it with `npm install -g @anthropic-ai/claude-code` (Node.js 22 or newer), "
        "or set POKECODE_CLAUDE_COMMAND."
    )

    def command(self) -> Sequence[str]:
        return list(settings.POKECODE_CLAUDE_COMMAND)

    def launch(self, turn: Turn) -> Command:
        """See Agent."""
        checked(turn)
        return Command(
            [*resolved(self.command()), *self._options(turn)],
            environment(turn.attempt_id, ENVIRONMENT),
            self._prompt(turn.prompt).encode(),
        )

    def _options(self, turn: Turn) -> list[str]:
        mode = settings.POKECODE_CLAUDE_PERMISSION_MODE
        options = ["-p", "--output-format=stream-json", "--verbose", f"--permission-mode={mode}"]
        if not turn.trusted:
            options += UNTRUSTED
        if turn.model:
            options.append(f"--model={turn.model}")
        if turn.allowed_tools:
            options.append(f"--allowedTools={','.join(turn.allowed_tools)}")
        if turn.resume:
            options.append(f"--resume={turn.resume}")
        return options + self._system_prompt(turn)

    def _system_prompt(self, turn: Turn) -> list[str]:
        """In a file, because other users of the host can read argv."""
        text = instructions.preamble(
            turn.context, turn.project_path, INSTRUCTIONS, trusted=turn.trusted
        )
        if not text:
            return []
        path = instructions.write_private(turn.private_directory, "system-prompt.md", text)
        return [f"--append-system-prompt-file={path}"]

    def _prompt(self, prompt: str) -> str:
        """A leading slash would make it a command of the tool (/cost), unseen by the model."""
        return f"\n{prompt}" if prompt.startswith("/") else prompt

    def observer(self, turn: Turn) -> "ClaudeObserver":
        return ClaudeObserver(turn)


class ClaudeObserver:
    """Judges an attempt by its last result: it may have several."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._began = False
        self._result: dict[str, Any] | None = None
        self._error_code = ""
        self._limited_until: datetime | None = None
        self._denied: dict[str, str] = {}

    def observe(self, data: dict[str, Any]) -> None:
        self._began = True
        match data.get("type"):
            case "result":
                self._observe_result(data)
            case "assistant":
                self._error_code = str(data.get("error") or "")
            case "rate_limit_event":
                self._limited_until = _limit_end(data)

    def _observe_result(self, result: dict[str, Any]) -> None:
        # A resume after a killed background task begins with an empty result.
        if result.get("is_error") is False and result.get("num_turns") == 0:
            return
        self._result = result
        denials = result.get("permission_denials")
        for denial in denials if isinstance(denials, list) else ():
            if isinstance(denial, dict):
                self._denied[str(denial.get("tool_use_id"))] = _described(denial)

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        if self._succeeded(exit_code):
            return verdicts.success(Denials(list(self._denied.values())))
        return self._failure(exit_code, stderr)

    def _succeeded(self, exit_code: int) -> bool:
        result = self._result
        return exit_code == 0 and result is not None and result.get("is_error") is False

    def _failure(self, exit_code: int, stderr: str) -> Verdict:
        name = ClaudeAgent.name
        if self._result is None or self._result.get("is_error") is False:
            otherwise = verdicts.UNKNOWN if self._began else verdicts.NOT_STARTED
            return verdicts.without_result(
                START_RULES, exit_code, stderr, name, self._turn, otherwise
            )
        return verdicts.failure(RULES, self._signs(self._result), name, self._turn)

    def _signs(self, result: dict[str, Any]) -> Signs:
        status = result.get("api_error_status")
        keys = ("subtype", "terminal_reason", "stop_reason")
        codes = [self._error_code, *(str(result.get(key)) for key in keys)]
        return Signs(
            _words(result)[: verdicts.DETAIL_LIMIT],
            status if isinstance(status, int) else None,
            codes,
            self._limited_until,
        )


def _words(result: dict[str, Any]) -> str:
    """A result has a text `result`, or one of the error_* subtypes a list `errors`."""
    said, errors = result.get("result"), result.get("errors")
    if isinstance(said, str):
        return said
    return " ".join(map(str, errors)) if isinstance(errors, list) else ""


def _limit_end(data: dict[str, Any]) -> datetime | None:
    """From `{"rate_limit_info": {"status": "rejected", "resetsAt": seconds}}`: the form of the
    tool's SDK; such an event has never been seen."""
    info = data.get("rate_limit_info")
    end = limits.from_epoch(info.get("resetsAt")) if isinstance(info, dict) else None
    return limits.plausible(end, timezone.now())


def _described(denial: dict[str, Any]) -> str:
    """A refused call by its tool and what it would have done."""
    name, arguments = denial.get("tool_name"), denial.get("tool_input")
    known = arguments if isinstance(arguments, dict) else {}
    keys = ("command", "file_path", "path", "url", "pattern")
    what = next((known[key] for key in keys if isinstance(known.get(key), str)), "")
    return printable(f"{name} ({what})" if what else str(name), 120)
