"""What Claude Code's events show."""

from collections.abc import Callable
from typing import Any

from sessions_app.providers import claude_asides, claude_tags, contents, pictures
from sessions_app.providers.claude_meter import dollars, turn_usage
from sessions_app.providers.claude_tools import call_form, tool_result, tool_use
from sessions_app.providers.reading import (
    Malformed,
    Show,
    arguments,
    objects,
    optional,
    pretty,
    required,
    string,
    type_of,
    unknown,
    whole,
)
from sessions_app.providers.shapes import Error, Notice, Prompt, Result, Shape, Text, Thinking

INTERRUPTED = "[Request interrupted"
SYNTHETIC = "<synthetic>"
"""The model of an answer that the tool wrote itself."""

HUMAN = {"", "human", "user"}
ABORTED = {"aborted_streaming", "aborted_tools"}


def is_api_error(data: dict[str, Any]) -> bool:
    """An answer that the tool itself wrote in place of the model's: the API refused.

    2.1.330 flags it; 2.1.197 has only the field `error`.
    """
    return data.get("is_api_error_message") is True or bool(data.get("error"))


def _assistant(data: dict[str, Any], project_path: str) -> list[Shape]:
    message: dict[str, Any] = required(data, "message", dict)
    if is_api_error(data):
        # The result that follows carries the same text, and shows it as the error.
        said = contents.read(message.get("content")).text or pretty(data.get("error"))
        return [Notice(said, level="warning")]
    return _blocks(message, data, project_path)


def _user(data: dict[str, Any], project_path: str) -> list[Shape]:
    message: dict[str, Any] = required(data, "message", dict)
    return _blocks(message, data, project_path)


def _blocks(message: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    """What each block shows, whatever the others hold."""
    content = message.get("content")
    if content is None:
        raise Malformed("content")
    blocks = content if isinstance(content, list) else [content]
    return [shape for block in blocks for shape in _block(block, data, project_path)]


def _block(block: Any, data: dict[str, Any], project_path: str) -> list[Shape]:
    if isinstance(block, str):
        block = {"type": "text", "text": block}
    if not isinstance(block, dict):
        return [unknown(block, "block")]
    kind = type_of(block)
    handler = BLOCKS.get(kind) or _by_ending(kind)
    try:
        return handler(block, data, project_path) if handler else [unknown(block, kind)]
    except Malformed as missing:
        name = kind.replace("_", " ")
        return [
            Notice(f"A block of the kind “{name}” without its {missing}.", detail=pretty(block))
        ]


def _by_ending(kind: str) -> "ShowBlock | None":
    """For the server's own tools, each of which has types of its own."""
    if kind.endswith("tool_use"):
        return _tool_use
    return _tool_result if kind.endswith("tool_result") else None


def _text(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    text = required(block, "text", str)
    if type_of(data) != "user" and _model(data) != SYNTHETIC:
        return [_words(text, data)]
    notices, rest = claude_tags.split(text)
    return [*notices, _words(rest, data)] if rest or not notices else [*notices]


def _words(text: str, data: dict[str, Any]) -> Shape:
    parent = _parent(data)
    if type_of(data) == "assistant":
        return Text(text, parent)
    if parent:  # the prompt of a sub-agent is the agent's words
        return Text(text, parent)
    if data.get("isCompactSummary") is True:
        return Notice("The conversation so far was summed up.", detail=text)
    if data.get("isMeta") is True or _origin(data) not in HUMAN:
        return Notice("The command-line tool added this.", detail=text)
    if data.get("isSynthetic"):
        return Notice("The command-line tool asked the agent to continue.", detail=text)
    if text.startswith(INTERRUPTED):
        return Notice(text.strip("[]"), level="warning")
    return Prompt(text)


def _model(data: dict[str, Any]) -> str:
    return string(optional(data, "message", dict, {}), "model")


def _origin(data: dict[str, Any]) -> str:
    """Who said what a `user` event holds, where it tells: "task-notification", for one."""
    return string(data, "origin") or string(optional(data, "origin", dict, {}), "kind")


def _image(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    return [pictures.image(block, _parent(data))]


def _loose(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    """What otherwise stands in a result, such as a document in a prompt."""
    found = contents.read(block)
    about = "\n".join(filter(None, [*(link.url for link in found.links), found.text]))
    return [Notice(f"With a {type_of(block).replace('_', ' ')}.", detail=about), *found.images]


def _thinking(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    text = string(block, "thinking")
    return [Thinking(text, _parent(data))] if text.strip() else []


def _redacted(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    return [Thinking("(withheld by the provider)", _parent(data))]


def _tool_use(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    return tool_use(block, _parent(data), project_path)


def _tool_result(block: dict[str, Any], data: dict[str, Any], project_path: str) -> list[Shape]:
    return tool_result(block, data.get("tool_use_result"), _parent(data), project_path)


def _parent(data: dict[str, Any]) -> str | None:
    return optional(data, "parent_tool_use_id", str, "") or None


ShowBlock = Callable[[dict[str, Any], dict[str, Any], str], list[Shape]]

BLOCKS: dict[str, ShowBlock] = {
    "document": _loose,
    "image": _image,
    "redacted_thinking": _redacted,
    "resource": _loose,
    "resource_link": _loose,
    "search_result": _loose,
    "text": _text,
    "thinking": _thinking,
    "tool_reference": _loose,
}


def _result(data: dict[str, Any], project_path: str) -> list[Shape]:
    cost = dollars(data.get("total_cost_usd"))
    end = Result(
        text=_answer(data),
        tokens=turn_usage(data).total,
        cost_usd=None if cost is None else float(cost),
        duration_ms=whole(data, "duration_ms"),
        turns=whole(data, "num_turns"),
        denials=tuple(_denial(item, project_path) for item in objects(data, "permission_denials")),
    )
    if optional(data, "is_error", bool, False):
        return [_failure(data), end]
    return [*_halt(data), end]


def _halt(data: dict[str, Any]) -> list[Shape]:
    """Why a turn ended before its work was done, though nothing failed."""
    reason = string(data, "terminal_reason")
    if reason in ABORTED:
        return [Notice("The agent was interrupted.", "warning")]
    if reason == "tool_deferred":
        return [Notice("The agent stopped at a call that waits for an answer.", "warning")]
    return []


def _answer(data: dict[str, Any]) -> str:
    answer = data.get("result")
    if answer is None:  # of a run that was to answer by a schema
        answer = data.get("structured_output")
    if answer is None or isinstance(answer, str):
        return answer or ""
    return f"```json\n{pretty(answer)}\n```"


def _failure(data: dict[str, Any]) -> Error:
    said = "\n".join(map(pretty, optional(data, "errors", list, [])))
    if string(data, "terminal_reason") in ABORTED:
        return Error("The agent was interrupted.", detail=said)
    subtype = string(data, "subtype").replace("_", " ")
    return Error(
        optional(data, "result", str, "")
        or said
        or f"The agent failed: {subtype or 'it does not say why'}."
    )


def _denial(denial: dict[str, Any], project_path: str) -> str:
    tool = string(denial, "tool_name") or "a tool"
    return call_form(tool, arguments(denial.get("tool_input")), project_path)


def _nothing(data: dict[str, Any], project_path: str) -> list[Shape]:
    """For pieces of an answer, which come again in whole `assistant` events."""
    return []


EVENTS: dict[str, Show] = {
    **claude_asides.EVENTS,
    "assistant": _assistant,
    "result": _result,
    "stream_event": _nothing,
    "user": _user,
}
