"""Codex's items beside the conversation: pictures, plans, reviews, hooks and compaction.

None was recorded; they are read as the app-server's source declares them.
"""

from typing import Any

from sessions_app.providers import contents
from sessions_app.providers.codex_calls import ShowItem
from sessions_app.providers.reading import number, objects, relative_path, required, string
from sessions_app.providers.shapes import Notice, Shape, Text


def _viewed(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    path = relative_path(required(item, "path", str), project_path)
    return [Notice(f"The agent looked at the picture {path}.")] if has_ended else []


def _generated(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    if not has_ended:
        return []
    path, prompt = string(item, "saved_path"), string(item, "revised_prompt")
    if string(item, "status") == "failed":
        return [Notice("The agent could not make a picture.", "warning", detail=prompt)]
    where = f": {relative_path(path, project_path)}" if path else "."
    return [Notice(f"The agent made a picture{where}", detail=prompt)]


def _compacted(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    return [Notice("The conversation was compacted.")] if has_ended else []


def _plan(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    """A plan in words, proposed to a person; its start holds nothing yet."""
    return [Text(required(item, "text", str))] if has_ended else []


def _review_began(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    about = string(item, "review")
    return [Notice(f"A review began: {about}" if about else "A review began.")] * has_ended


def _review_ended(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    if not has_ended:
        return []
    said = string(item, "review")
    return [Notice("The review has ended."), *([Text(said)] if said else [])]


def _hook(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    said = contents.read([string(part, "text") for part in objects(item, "fragments")]).text
    return [Notice("A hook added to the prompt.", detail=said)] if has_ended else []


def _slept(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    seconds = (number(item, "duration_ms") or 0) / 1000
    return [Notice(f"The agent waited {seconds:g} s.")] if has_ended else []


def _helper(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    name, what = string(item, "agent_path") or "a helper", string(item, "kind")
    return [Notice(f"{name}: {what.replace('_', ' ')}")] if has_ended else []


def _given_back(item: dict[str, Any], has_ended: bool, project_path: str) -> list[Shape]:
    if not has_ended:
        return []
    said = contents.read(item.get("output")).text
    return [Notice(f"The result of {string(item, 'name') or 'a call'}", detail=said)]


ITEMS: dict[str, ShowItem] = {
    "context_compaction": _compacted,
    "entered_review_mode": _review_began,
    "function_call_output": _given_back,
    "exited_review_mode": _review_ended,
    "hook_prompt": _hook,
    "image_generation": _generated,
    "image_view": _viewed,
    "plan": _plan,
    "sleep": _slept,
    "sub_agent_activity": _helper,
}
