"""What Claude Code says about its own work in `system` events.

Those that were never recorded are read as its SDK (0.2.187) declares them.
"""

from collections.abc import Callable
from typing import Any

from sessions_app.providers.claude_tags import FAILED, is_tagged
from sessions_app.providers.claude_tags import notice as tagged
from sessions_app.providers.reading import (
    Malformed,
    number,
    optional,
    pretty,
    required,
    string,
    whole,
)
from sessions_app.providers.shapes import Notice, Shape


def system(data: dict[str, Any], project_path: str) -> list[Shape]:
    """What a `system` event of any subtype shows."""
    subtype = string(data, "subtype")
    if not subtype and not said(data):
        raise Malformed("subtype")
    return [] if subtype in QUIET else [NOTICES.get(subtype, _other)(data)]


def _other(data: dict[str, Any]) -> Notice:
    """An event of a kind that came after us: its words, or its name."""
    name = string(data, "subtype").replace("_", " ").capitalize()
    return Notice(said(data) or name, detail=pretty(data))


SAYING = ("message", "content", "text", "summary", "error")


def said(data: dict[str, Any]) -> str:
    """An event's words, whichever field holds them."""
    return next(filter(None, (words(data, key) for key in SAYING)), "")


def words(data: dict[str, Any], key: str) -> str:
    """The text in a field, or in the object that stands there."""
    inner: dict[str, Any] = optional(data, key, dict, {})
    return string(data, key) or next(filter(None, (string(inner, k) for k in SAYING)), "")


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
    attempt, most = whole(data, "attempt"), whole(data, "max_retries")
    which = f"attempt {attempt or '?'} of {most or '?'}"
    wait = f"{delay:.1f}" if delay < 1 else f"{delay:.0f}"
    return Notice(f"{answer}: {which}, next in {wait} s", level="warning", detail=error)


def _permission_denied(data: dict[str, Any]) -> Notice:
    tool = required(data, "tool_name", str)
    return Notice(f"{tool} was denied.", level="warning", detail=string(data, "message"))


def _task(verb: str) -> Callable[[dict[str, Any]], Notice]:
    def notice(data: dict[str, Any]) -> Notice:
        about = string(data, "summary") or string(data, "description") or string(data, "task_id")
        level = "warning" if verb in FAILED else "info"
        return Notice(f"Task {verb}: {about}", level, detail=string(data, "prompt"))

    return notice


def _task_updated(data: dict[str, Any]) -> Notice:
    patch: dict[str, Any] = optional(data, "patch", dict, {})
    status = string(patch, "status")
    return Notice(
        f"Task {string(data, 'task_id')} is {status or 'updated'}.",
        "warning" if status in FAILED else "info",
        detail=string(patch, "error"),
    )


def _task_notification(data: dict[str, Any]) -> Notice:
    return _task(string(data, "status") or "ended")(data)


def _background_tasks(data: dict[str, Any]) -> Notice:
    tasks: list[Any] = optional(data, "tasks", list, [])
    return Notice(f"Tasks in the background: {len(tasks)}")


def _status(data: dict[str, Any]) -> Notice:
    mode, status = string(data, "permissionMode"), string(data, "status")
    compacted, error = string(data, "compact_result"), words(data, "compact_error")
    if compacted == "success":
        return Notice("The conversation was compacted.")
    if compacted or error:
        how = compacted if compacted and compacted != "error" else "failed"
        why = error or words(data, "error") or "the tool does not say why"
        return Notice(f"Compaction {how}: {why}", "warning")
    if status == "compacting":
        return Notice("Compacting the conversation…")
    about = f"Permission mode: {mode}" if mode else "Ready"
    return Notice(f"Status: {status}" if status else about)


def _compacted(data: dict[str, Any]) -> Notice:
    """`compact_metadata` in the stream, `compactMetadata` in the tool's own transcripts."""
    told: dict[str, Any] = optional(data, "compact_metadata", dict, {})
    told = told or optional(data, "compactMetadata", dict, {})
    before = _thousands(whole(told, "pre_tokens") or whole(told, "preTokens"))
    after = _thousands(whole(told, "post_tokens") or whole(told, "postTokens"))
    if before and after:
        size = f"{before} to {after} tokens"
    else:
        size = f"{before or after} tokens {'before' if before else 'after'}" * bool(before or after)
    about = ", ".join(filter(None, [string(told, "trigger"), size]))
    return Notice(f"Compacted: {about}" if about else "The conversation was compacted.")


def _thousands(tokens: int | None) -> str:
    if not tokens:
        return ""
    return f"{round(tokens / 1000)}k" if tokens >= 1000 else str(tokens)


def _hook(data: dict[str, Any]) -> Notice:
    hook, outcome = string(data, "hook_name"), string(data, "outcome")
    return Notice(
        f"Hook {hook}: {outcome or 'running'}",
        level="warning" if outcome == "error" else "info",
        detail=string(data, "output") or string(data, "stderr"),
    )


def _words(level: str) -> Callable[[dict[str, Any]], Notice]:
    """For events that are a message and no more."""

    def notice(data: dict[str, Any]) -> Notice:
        words = said(data)
        if is_tagged(words):
            return tagged(words)
        return Notice(words or string(data, "subtype").replace("_", " ").capitalize(), level)

    return notice


NOTICES: dict[str, Callable[[dict[str, Any]], Notice]] = {
    "api_retry": _api_retry,
    "background_tasks_changed": _background_tasks,
    "compact_boundary": _compacted,
    "hook_progress": _hook,
    "hook_response": _hook,
    "hook_started": _hook,
    "informational": _words("info"),
    "init": _init,
    "local_command": _words("info"),
    "local_command_output": _words("info"),
    "microcompact_boundary": _compacted,
    "mirror_error": _words("warning"),
    "model_refusal_no_fallback": _words("warning"),
    "permission_denied": _permission_denied,
    "status": _status,
    "task_notification": _task_notification,
    "task_progress": _task("in progress"),
    "task_started": _task("started"),
    "task_updated": _task_updated,
}

QUIET = {"commands_changed", "session_state_changed", "thinking_tokens"}
"""Subtypes that tell nothing of the work, or only ahead what other events tell in whole."""
