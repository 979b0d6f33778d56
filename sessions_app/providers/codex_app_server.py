"""Codex's events as `codex app-server` sends them, in the form of `codex exec --json`.

Both tell of the same items. The server writes names otherwise, and tells besides of much that
only a client with a screen of its own wants to know.
"""

from typing import Any

from sessions_app.providers import requested
from sessions_app.providers.codex_requests import read_request
from sessions_app.providers.reading import (
    objects,
    optional,
    session_id,
    snake,
    string,
    type_of,
    unknown,
)
from sessions_app.providers.shapes import Notice, Request, Shape

EMPTY_AT_FIRST = {"agentMessage", "contextCompaction", "plan", "reasoning", "userMessage"}
"""Items whose start holds nothing yet."""

WARNINGS = {"deprecationNotice", "guardianWarning", "warning"}

UNTOLD = frozenset(
    {
        # What another message tells whole.
        "autoApprovalReview/strictReviewRequired",
        "hook/started",
        "item/autoApprovalReview/started",
        "item/commandExecution/terminalInteraction",
        "item/fileChange/patchUpdated",
        "item/mcpToolCall/progress",
        "item/reasoning/summaryPartAdded",
        "model/safetyBuffering/updated",
        "model/verification",
        "serverRequest/resolved",
        "turn/diff/updated",
        "turn/moderationMetadata",
        # What only a client with a screen and an account of its own wants to know.
        "mcpServer/event/stream/notification",
        "mcpServer/oauthLogin/completed",
        "windowsSandbox/setupCompleted",
    }
)
UNTOLD_BEGINNINGS = (
    "account/",
    "app/",
    "command/",
    "externalAgentConfig/",
    "fs/",
    "fuzzyFileSearch/",
    "modelProvider/",
    "process/",
    "project/",
    "remoteControl/",
    "skills/",
    "thread/",
)
UNTOLD_ENDS = ("/delta", "Delta")
"""Pieces of what comes whole later."""

USED_TOKENS = "thread/tokenUsage/updated"
"""Tells of each call of the model, and once of all before where a thread is resumed."""


UNSEEN_CALL = {"changes": [{"path": "files"}]}
"""A patch's request only names its call, which tells of itself."""


def is_message(data: dict[str, Any]) -> bool:
    """Whether this is a message of the server's protocol."""
    return not type_of(data) and (isinstance(data.get("method"), str) or _is_response(data))


def _is_response(data: dict[str, Any]) -> bool:
    return "id" in data and ("result" in data or "error" in data)


def is_told_of(data: dict[str, Any]) -> bool:
    """Whether a message tells something that no other does; each is stored that does."""
    method = string(data, "method")
    if not method:
        return "error" in data or bool(opened_thread(data)) or not _is_response(data)
    if method == USED_TOKENS or "id" in data:
        return True
    params: dict[str, Any] = optional(data, "params", dict, {})
    if method == "item/started":
        return type_of(optional(params, "item", dict, {})) not in EMPTY_AT_FIRST
    if method == "item/completed":
        return type_of(optional(params, "item", dict, {})) != "userMessage"
    if method == "mcpServer/startupStatus/updated":
        return string(params, "status") == "failed"
    if method == "account/rateLimits/updated":
        return bool(_limit_reached(params))
    return not _is_untold(method)


def _is_untold(method: str) -> bool:
    return method in UNTOLD or method.endswith(UNTOLD_ENDS) or method.startswith(UNTOLD_BEGINNINGS)


def _limit_reached(params: dict[str, Any]) -> str:
    limits: dict[str, Any] = optional(params, "rateLimits", dict, {})
    return string(limits, "rateLimitReachedType")


def limits(data: dict[str, Any]) -> dict[str, Any]:
    """The windows of the account that the message tells of, by name; {} for any other message."""
    if string(data, "method") != "account/rateLimits/updated":
        return {}
    params: dict[str, Any] = optional(data, "params", dict, {})
    told: dict[str, Any] = optional(params, "rateLimits", dict, {})
    return {name: told[name] for name in ("primary", "secondary") if told.get(name) is not None}


def opened_thread(data: dict[str, Any]) -> str:
    """The id of the thread that was begun or resumed for us, "" where the message tells of none."""
    result: dict[str, Any] = optional(data, "result", dict, {})
    thread: dict[str, Any] = optional(result, "thread", dict, {})
    if string(data, "method") == "thread/started":
        thread = optional(optional(data, "params", dict, {}), "thread", dict, {})
        if thread.get("parentThreadId") is not None:  # a helper's
            return ""
    return session_id(thread.get("id")) or ""


def as_exec(data: dict[str, Any]) -> dict[str, Any]:
    """The event that `codex exec` prints for a message, and `turn.interrupted`, for which that
    prints none; {} for any other."""
    params: dict[str, Any] = optional(data, "params", dict, {})
    match string(data, "method"):
        case "item/started" | "item/updated" | "item/completed" as method:
            return _item(method.replace("/", "."), optional(params, "item", dict, {}))
        case "turn/started":
            return {"type": "turn.started"}
        case "turn/completed":
            return _turn(optional(params, "turn", dict, {}))
        case "turn/plan/updated":
            return _plan(params)
        case "error":
            error: dict[str, Any] = optional(params, "error", dict, {})
            return {**error, "type": "error", "message": string(error, "message")}
        case method if method in WARNINGS:
            said = string(params, "summary") or string(params, "message")
            return _ended({"type": "error", "message": said})
    thread = opened_thread(data)
    return {"type": "thread.started", "thread_id": thread} if thread else {}


def _item(event: str, item: dict[str, Any]) -> dict[str, Any]:
    named = {snake(key): value for key, value in item.items()}
    kind = named["type"] = snake(type_of(item))
    named["status"] = snake(string(item, "status"))
    if kind == "user_message" or (type_of(item) in EMPTY_AT_FIRST and event != "item.completed"):
        return {}
    if kind == "reasoning":
        named["text"] = "\n".join(_texts(item, "summary") or _texts(item, "content"))
    return {"type": event, "item": named}


def _texts(data: dict[str, Any], key: str) -> list[str]:
    held: list[Any] = optional(data, key, list, [])
    return [text for text in held if isinstance(text, str)]


def _turn(turn: dict[str, Any]) -> dict[str, Any]:
    match string(turn, "status"):
        case "failed":
            return {"type": "turn.failed", "error": turn.get("error")}
        case "interrupted":
            return {"type": "turn.interrupted"}
    return {"type": "turn.completed"}


def _plan(params: dict[str, Any]) -> dict[str, Any]:
    steps = [
        {"text": string(step, "step"), "status": string(step, "status")}
        for step in objects(params, "plan")
    ]
    return _ended({"type": "todo_list", "id": string(params, "turnId"), "items": steps})


def _ended(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "item.completed", "item": item}


def show_other(data: dict[str, Any]) -> list[Shape]:
    """What a message shows that has no event of `codex exec`."""
    method = string(data, "method")
    params: dict[str, Any] = optional(data, "params", dict, {})
    if "id" in data:
        return _request(data, method) if method else _response(data)
    match method:
        case "account/rateLimits/updated":
            reached = _limit_reached(params).replace("_", " ")
            return [Notice(f"Codex tells of a limit: {reached}.", "warning")] if reached else []
        case "configWarning":  # at each start the same
            said = string(params, "summary")
            return [Notice(f"Codex: {said}", detail=string(params, "details"))]
        case "hook/completed":
            return [_hook(optional(params, "run", dict, {}))]
        case "item/autoApprovalReview/completed":
            review: dict[str, Any] = optional(params, "review", dict, {})
            status = string(review, "status")
            return [
                Notice(f"A request was reviewed: {status}.", detail=string(review, "rationale"))
            ]
        case "mcpServer/startupStatus/updated":
            return _started_server(params)
        case "model/rerouted":
            model = string(params, "toModel")
            return [Notice(f"The model {model} answers instead.", "warning")]
        case "windows/worldWritableWarning":
            return [Notice("Everybody may write to some of these directories.", "warning")]
    is_known = method in ("item/started", "item/completed") or _is_untold(method)
    return [] if is_known else [unknown(data, method)]


def _request(data: dict[str, Any], method: str) -> list[Shape]:
    asked = read_request(data, UNSEEN_CALL)
    if asked is not None:
        return [Request(asked.key, requested.sentence(asked))]
    return [Notice(f"Codex asked for {method}, which is refused.", "warning")]


def _response(data: dict[str, Any]) -> list[Shape]:
    error: dict[str, Any] = optional(data, "error", dict, {})
    if error:
        return [Notice(f"Codex refused a request: {string(error, 'message')}", "warning")]
    return []


def _hook(run: dict[str, Any]) -> Shape:
    name, status = string(run, "eventName") or "a hook", string(run, "status")
    level = "info" if status == "completed" else "warning"
    return Notice(f"Hook {name}: {status}", level, detail=string(run, "statusMessage"))


def _started_server(params: dict[str, Any]) -> list[Shape]:
    name, status = string(params, "name"), string(params, "status")
    if status != "failed":
        return []
    return [Notice(f"MCP server {name}: failed", "warning", detail=string(params, "error"))]
