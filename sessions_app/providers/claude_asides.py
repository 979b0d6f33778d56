"""Claude Code's events beside the conversation: limits, logins, requests and signs of life.

Those that were never recorded are read as its SDK (0.2.187) declares them.
"""

from datetime import UTC, datetime
from typing import Any

from sessions_app.providers import requested
from sessions_app.providers.claude_notices import said, system, words
from sessions_app.providers.claude_requests import read_request
from sessions_app.providers.reading import (
    Show,
    first_line,
    optional,
    pretty,
    relative_path,
    required,
    string,
    whole,
)
from sessions_app.providers.shapes import Notice, Request, Shape


def _rate_limit(data: dict[str, Any], project_path: str) -> list[Shape]:
    info: dict[str, Any] = required(data, "rate_limit_info", dict)
    limit = string(info, "rateLimitType").replace("_", " ")
    which = f"The {limit} limit" if limit else "The usage limit"
    resets = whole(info, "resetsAt")
    when = string(info, "resetsAt") if resets is None else _moment(resets)
    until = f"; it resets at {first_line(when)}" if when else ""
    match string(info, "status"):
        case "rejected":
            return [Notice(f"{which} is reached{until}.", level="warning")]
        case "allowed_warning":
            return [Notice(f"{which} is near{until}.", level="warning")]
        case _:
            return [Notice(f"{which} is not reached{until}.")]


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(
            seconds / 1000 if seconds >= 10**11 else seconds, UTC
        ).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return "a time that cannot be read"


def _conversation_reset(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Notice("The conversation was reset.", level="warning")]


def _login(data: dict[str, Any], project_path: str) -> list[Shape]:
    lines: list[Any] = optional(data, "output", list, [data.get("output") or ""])
    output = "\n".join(map(pretty, lines))
    if data.get("error"):
        error = words(data, "error") or pretty(data["error"])
        return [Notice(f"Login: {error}", "warning", detail=output)]
    is_busy = data.get("isAuthenticating") is True
    return [Notice("Logging in…" if is_busy else "Login: ready", detail=output)]


def _summary(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Notice(required(data, "summary", str))]


def _suggestion(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Notice(f"Suggested next prompt: {required(data, 'suggestion', str)}")]


def _request(data: dict[str, Any], project_path: str) -> list[Shape]:
    request: dict[str, Any] = optional(data, "request", dict, {})
    asked = read_request(data)
    if asked is not None:
        return [Request(asked.key, requested.sentence(asked))]
    about = string(request, "subtype").replace("_", " ")
    return [Notice(": ".join(filter(None, ["Request", about or "of no kind", said(request)])))]


def _answer(data: dict[str, Any], project_path: str) -> list[Shape]:
    response: dict[str, Any] = optional(data, "response", dict, {})
    error = words(response, "error")
    return [Notice(f"A request failed: {error}", "warning")] if error else []


def _withdrawn(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Notice("A request was withdrawn.")]


def _attachment(data: dict[str, Any], project_path: str) -> list[Shape]:
    """What the tool adds to a prompt: told where a person has something to do with it."""
    held: dict[str, Any] = optional(data, "attachment", dict, {})
    hook, name = string(held, "hookName"), string(held, "filename")
    if hook:
        outcome = string(held, "type").removeprefix("hook_").replace("_", " ")
        return [Notice(f"Hook {hook}: {outcome}", detail=string(held, "stdout"))]
    return [Notice(f"Attached: {relative_path(name, project_path)}")] if name else []


def _error(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Notice(said(data) or "An error without its words.", "warning")]


def _nothing(data: dict[str, Any], project_path: str) -> list[Shape]:
    """For signs of life, and for what the tool keeps for itself."""
    return []


EVENTS: dict[str, Show] = {
    "api-request": _nothing,
    "api-request-blob": _nothing,
    "api-request-shape": _nothing,
    "atis-latch": _nothing,
    "attachment": _attachment,
    "auth_status": _login,
    "command_lifecycle": _nothing,
    "control_cancel_request": _withdrawn,
    "control_request": _request,
    "control_response": _answer,
    "conversation_reset": _conversation_reset,
    "cost-state": _nothing,
    "error": _error,
    "keep_alive": _nothing,
    "last-prompt": _nothing,
    "mode": _nothing,
    "ping": _nothing,
    "prompt_suggestion": _suggestion,
    "queue-operation": _nothing,
    "rate_limit_event": _rate_limit,
    "session_state_changed": _nothing,
    "system": system,
    "tool_progress": _nothing,
    "tool_use_summary": _summary,
    "tools-used": _nothing,
}
"""By type; those with a hyphen stand only in the tool's own transcripts."""
