"""Codex's events as `codex app-server` sends them, in the form of `codex exec --json`.

Both tell of the same items. The server writes names otherwise, and tells besides of much that
only a client with a screen of its own wants to know.
"""

from typing import Any

from sessions_app.providers import requested
from sessions_app.providers.codex_requests import read_request
from sessions_app.providers.reading import objects, optional, snake, string, type_of
from sessions_app.providers.shapes import Notice, Request, Shape

REPEATED = {"agent_message", "reasoning", "user_message"}
"""Items whose start holds nothing yet."""


UNSEEN_CALL = {"changes": [{"path": "files"}]}
"""A patch's request only names its call, which tells of itself."""


def is_message(data: dict[str, Any]) -> bool:
    """Whether this is a message of the server's protocol."""
    return not type_of(data) and (isinstance(data.get("method"), str) or _is_response(data))


def _is_response(data: dict[str, Any]) -> bool:
    return "id" in data and ("result" in data or "error" in data)


def as_exec(data: dict[str, Any]) -> dict[str, Any]:
    """The event that `codex exec` prints for a message; {} where it prints none."""
    params: dict[str, Any] = optional(data, "params", dict, {})
    match string(data, "method"):
        case "item/started" | "item/updated" | "item/completed" as method:
            return _item(method.replace("/", "."), optional(params, "item", dict, {}))
        case "thread/started":
            thread: dict[str, Any] = optional(params, "thread", dict, {})
            return {"type": "thread.started", "thread_id": string(thread, "id")}
        case "turn/completed":
            return _turn(optional(params, "turn", dict, {}))
        case "turn/plan/updated":
            return _plan(params)
        case "error":
            error: dict[str, Any] = optional(params, "error", dict, {})
            return {"type": "error", "message": string(error, "message")}
        case "configWarning" | "deprecationNotice" | "warning" | "guardianWarning":
            said = string(params, "summary") or string(params, "message")
            return _ended({"type": "error", "message": said})
    return {}


def _item(event: str, item: dict[str, Any]) -> dict[str, Any]:
    named = {snake(key): value for key, value in item.items()}
    kind = named["type"] = snake(type_of(item))
    named["status"] = snake(string(item, "status"))
    if kind == "user_message" or (kind in REPEATED and event != "item.completed"):
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
            return _ended({"type": "error", "message": "The agent was interrupted."})
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
    """What a message shows that has no event of `codex exec`: questions and refusals."""
    asked = read_request(data, UNSEEN_CALL)
    if asked is not None:
        return [Request(asked.key, requested.sentence(asked))]
    error: dict[str, Any] = optional(data, "error", dict, {})
    if error:
        return [Notice(f"Codex refused a request: {string(error, 'message')}", "warning")]
    return []
