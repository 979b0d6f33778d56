"""What Codex's events show."""

from typing import Any

from sessions_app.providers import codex_asides, codex_history, contents
from sessions_app.providers.codex_calls import CALLS, ShowItem, kind_of
from sessions_app.providers.events import parse_stored
from sessions_app.providers.reading import (
    Malformed,
    Show,
    objects,
    optional,
    pretty,
    required,
    snake,
    string,
    type_of,
    unknown,
)
from sessions_app.providers.shapes import (
    Error,
    Notice,
    Plan,
    PlanStep,
    Result,
    Shape,
    Text,
    Thinking,
)

STEP_STATES = {"pending", "in_progress", "completed"}


def _thread_started(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Notice(f"Codex is working in the thread {required(data, 'thread_id', str)}.")]


def _turn_started(data: dict[str, Any], project_path: str) -> list[Shape]:
    """It carries nothing but its type."""
    return []


def _turn_completed(data: dict[str, Any], project_path: str) -> list[Shape]:
    """Without tokens: the event has the whole thread's, the message's count has this turn's."""
    return [Result("")]


def _turn_failed(data: dict[str, Any], project_path: str) -> list[Shape]:
    error = data.get("error")
    raw = string(error, "message") if isinstance(error, dict) else ""
    raw = raw or (pretty(error) if error else "The turn failed; Codex does not say why.")
    said = _server_message(raw)
    return [Error(said, detail="" if said == raw else raw)]


def _turn_interrupted(data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Notice("The agent was interrupted.", level="warning")]


def _error(data: dict[str, Any], project_path: str) -> list[Shape]:
    """A retry, or the text that `turn.failed` will repeat: not an error by itself."""
    error: dict[str, Any] = optional(data, "error", dict, data)
    return [Notice(_server_message(required(error, "message", str)), level="warning")]


def _server_message(raw: str) -> str:
    """The sentence in a server's JSON answer, which Codex passes on as it came."""
    error = parse_stored(raw).get("error")
    return (string(error, "message") if isinstance(error, dict) else "") or raw


def _item(data: dict[str, Any], project_path: str) -> list[Shape]:
    item: dict[str, Any] = required(data, "item", dict)
    kind = kind_of(item)
    if kind not in ITEMS:
        return [unknown(data, f"{type_of(data)}/{kind}")]
    has_ended = type_of(data) == "item.completed"
    try:
        return ITEMS[kind](item, has_ended, project_path)
    except Malformed as missing:
        name = kind.replace("_", " ")
        return [Notice(f"An item of the kind “{name}” without its {missing}.", detail=pretty(item))]


def _message(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    return [Text(string(item, "text") or _content(item) or required(item, "text", str))]


def _content(item: dict[str, Any]) -> str:
    return contents.read(item.get("content") or item.get("summary")).text


def _reasoning(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    text = string(item, "text") or _content(item)
    return [Thinking(text)] if text.strip() else []


def _warning(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    return [Notice(required(item, "message", str), level="warning")]


def _todo_list(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    """The whole list each time: a later one takes the place of an earlier one."""
    steps = tuple(
        PlanStep(
            string(step, "text"),
            _step_state(step),
        )
        for step in objects(item, "items")
    )
    return [Plan(string(item, "id"), steps)]


def _step_state(step: dict[str, Any]) -> str:
    if optional(step, "completed", bool, False):
        return "completed"
    status = snake(string(step, "status"))
    return status if status in STEP_STATES else "pending"


ITEMS: dict[str, ShowItem] = {
    **CALLS,
    **codex_asides.ITEMS,
    "agent_message": _message,
    "assistant_message": _message,
    "error": _warning,
    "reasoning": _reasoning,
    "todo_list": _todo_list,
}

EVENTS: dict[str, Show] = {
    **codex_history.EVENTS,
    "error": _error,
    "item.completed": _item,
    "item.started": _item,
    "item.updated": _item,
    "thread.started": _thread_started,
    "turn.completed": _turn_completed,
    "turn.failed": _turn_failed,
    "turn.interrupted": _turn_interrupted,
    "turn.started": _turn_started,
}
