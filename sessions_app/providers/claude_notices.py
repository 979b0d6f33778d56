"""What Claude Code says about its own work: `system` events and the like.

`rate_limit_event`, `conversation_reset`, `hook_*`, `mirror_error`, `compact_boundary` and
`local_command` are read as its SDK (0.2.187) declares them; they were never recorded.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sessions_app.providers.reading import (
    Malformed,
    number,
    optional,
    required,
    show,
    string,
    whole,
)
from sessions_app.providers.shapes import Notice, Shape


def system(data: dict[str, Any], project_path: str) -> list[Shape]:
    subtype = string(data, "subtype")
    return show(data, project_path, f"system/{subtype}", SYSTEM)


def _init(data: dict[str, Any]) -> Notice:
    version, model = string(data, "claude_code_version"), string(data, "model")
    mode = string(data, "permissionMode")
    name = f"Claude Code {version}".rstrip()
    return Notice(
        f"{name} started with the model {model or 'of its own choice'}.",
        detail=f"Permission mode: {mode}" if mode else "",
    )


def _api_retry(data: dict[str, Any]) -> Notice:
    status, error = whole(data, "error_status"), string(data, "error")
    answer = f"The API answered {status}" if status else "The API did not answer"
    delay = (number(data, "retry_delay_ms") or 0) / 1000
    attempts = f"attempt {whole(data, 'attempt')} of {whole(data, 'max_retries')}"
    wait = f"{delay:.1f}" if delay < 1 else f"{delay:.0f}"
    return Notice(f"{answer}: {attempts}, next in {wait} s", level="warning", detail=error)


def _permission_denied(data: dict[str, Any]) -> Notice:
    tool = required(data, "tool_name", str)
    return Notice(f"{tool} was denied.", level="warning", detail=string(data, "message"))


def _task(verb: str) -> Callable[[dict[str, Any]], Notice]:
    def notice(data: dict[str, Any]) -> Notice:
        about = string(data, "summary") or string(data, "description") or string(data, "task_id")
        return Notice(f"Task {verb}: {about}", detail=string(data, "prompt"))

    return notice


def _task_updated(data: dict[str, Any]) -> Notice:
    patch: dict[str, Any] = optional(data, "patch", dict, {})
    return Notice(f"Task {string(data, 'task_id')} is {string(patch, 'status') or 'updated'}.")


def _task_notification(data: dict[str, Any]) -> Notice:
    return _task(string(data, "status") or "ended")(data)


def _background_tasks(data: dict[str, Any]) -> Notice:
    tasks: list[Any] = optional(data, "tasks", list, [])
    return Notice(f"Tasks in the background: {len(tasks)}")


def _status(data: dict[str, Any]) -> Notice:
    return Notice(f"Status: {string(data, 'status') or 'ready'}")


def _hook(data: dict[str, Any]) -> Notice:
    hook, outcome = string(data, "hook_name"), string(data, "outcome")
    return Notice(
        f"Hook {hook}: {outcome or 'running'}",
        level="warning" if outcome == "error" else "info",
        detail=string(data, "output") or string(data, "stderr"),
    )


def _said(level: str) -> Callable[[dict[str, Any]], Notice]:
    """For events that are a message and no more."""

    def notice(data: dict[str, Any]) -> Notice:
        said = string(data, "message") or string(data, "content") or string(data, "error")
        return Notice(said or string(data, "subtype").replace("_", " ").capitalize(), level)

    return notice


NOTICES: dict[str, Callable[[dict[str, Any]], Notice]] = {
    "api_retry": _api_retry,
    "background_tasks_changed": _background_tasks,
    "compact_boundary": _said("info"),
    "hook_progress": _hook,
    "hook_response": _hook,
    "hook_started": _hook,
    "informational": _said("info"),
    "init": _init,
    "local_command": _said("info"),
    "mirror_error": _said("warning"),
    "model_refusal_no_fallback": _said("warning"),
    "permission_denied": _permission_denied,
    "status": _status,
    "task_notification": _task_notification,
    "task_progress": _task("in progress"),
    "task_started": _task("started"),
    "task_updated": _task_updated,
}


def _shown(notice: Callable[[dict[str, Any]], Notice]) -> Callable[..., list[Shape]]:
    return lambda data, project_path: [notice(data)]


def _ticks(data: dict[str, Any], project_path: str) -> list[Shape]:
    """`thinking_tokens` only counts up while the model thinks; the Thinking follows whole."""
    return []


SYSTEM = {f"system/{subtype}": _shown(notice) for subtype, notice in NOTICES.items()}
SYSTEM["system/thinking_tokens"] = _ticks


def rate_limit(data: dict[str, Any], project_path: str) -> list[Shape]:
    info: dict[str, Any] = required(data, "rate_limit_info", dict)
    limit = string(info, "rateLimitType").replace("_", " ")
    which = f"The {limit} limit" if limit else "The usage limit"
    resets = whole(info, "resetsAt")
    until = f"; it resets at {_moment(resets)}" if resets is not None else ""
    match string(info, "status"):
        case "rejected":
            return [Notice(f"{which} is reached{until}.", level="warning")]
        case "allowed_warning":
            return [Notice(f"{which} is near{until}.", level="warning")]
        case _:
            return [Notice(f"{which} is not reached{until}.")]


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        raise Malformed("resetsAt") from None


def conversation_reset(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Notice("The conversation was reset.", level="warning")]
