"""Claude Code's tool calls: their key argument, and the changes of files that they make."""

import re
from typing import Any

from sessions_app.providers import contents, diffs
from sessions_app.providers.claude_tags import FAILED
from sessions_app.providers.events import parse_stored
from sessions_app.providers.reading import (
    Malformed,
    arguments,
    first_line,
    objects,
    optional,
    relative_path,
    required,
    string,
    whole,
)
from sessions_app.providers.shapes import (
    DiffLine,
    FileChange,
    Plan,
    PlanStep,
    Shape,
    ToolResult,
    ToolUse,
)

KEY_ARGUMENTS = {
    "Agent": "description",
    "Bash": "command",
    "Edit": "file_path",
    "ExitPlanMode": "plan",
    "Glob": "pattern",
    "Grep": "pattern",
    "MultiEdit": "file_path",
    "NotebookEdit": "notebook_path",
    "Read": "file_path",
    "Skill": "skill",
    "Task": "description",
    "TaskCreate": "subject",
    "WebFetch": "url",
    "WebSearch": "query",
    "Write": "file_path",
}
QUESTIONS = "AskUserQuestion"
TOLD_OTHERWISE = {QUESTIONS: {"questions"}, "TodoWrite": {"todos"}}
"""Arguments that a call's summary or its plan shows in words."""
PATH_ARGUMENTS = {"file_path", "notebook_path", "path"}
STEP_STATES = {"pending", "in_progress", "completed"}
EXIT_CODE = re.compile(r"Exit code (\d{1,9})(?:\n|$)")
ERROR_TAG = re.compile(r"\A<tool_use_error>(.*)</tool_use_error>\Z", re.DOTALL)


def tool_use(block: dict[str, Any], parent: str | None, project_path: str) -> list[Shape]:
    """A call, with its plan or the change of a file that it asks for."""
    tool, given = required(block, "name", str), _given(block.get("input"))
    call = ToolUse(
        tool_id=_id(block, "id"),
        name=tool,
        summary=summary(tool, given, project_path),
        arguments=_untold(tool, given),
        description=string(given, "description") if tool == "Bash" else "",
        parent_tool_id=parent,
    )
    try:
        return [call, *_intended(call, given)]
    except Malformed:  # a model may call a tool with wrong arguments: that is still a call
        return [call]


def _given(value: Any) -> dict[str, Any]:
    """A call's arguments, which may come as JSON in a text."""
    return (parse_stored(value) if isinstance(value, str) else {}) or arguments(value)


def _id(block: dict[str, Any], key: str) -> str:
    """A call's id, which some servers count in numbers."""
    number = whole(block, key)
    return string(block, key) if number is None else str(number)


def _untold(tool: str, given: dict[str, Any]) -> dict[str, Any]:
    told = {key for key in TOLD_OTHERWISE.get(tool, ()) if objects(given, key)}
    return {key: value for key, value in given.items() if key not in told}


def summary(tool: str, given: dict[str, Any], project_path: str) -> str:
    """The one argument that says most; "" if there is none."""
    if tool == QUESTIONS:
        return "\n\n".join(map(_question, _questions(given)))
    texts = [key for key, value in given.items() if isinstance(value, str)]
    key = KEY_ARGUMENTS.get(tool) or next(iter(texts), "")
    value = string(given, key) or next((given[name] for name in texts), "")
    if key in PATH_ARGUMENTS:
        return relative_path(value, project_path)
    directory = string(given, "path")
    if tool in ("Grep", "Glob") and directory:
        return f"{value} in {relative_path(directory, project_path)}"
    return value


def _questions(given: dict[str, Any]) -> list[dict[str, Any]]:
    """All questions, or the one that stands by itself."""
    held = given.get("questions", given)
    return [held] if isinstance(held, dict) and held else objects(given, "questions")


def _question(question: dict[str, Any]) -> str:
    """A question and its choices, a line each."""
    options: list[Any] = optional(question, "options", list, [])
    choices = [
        option
        if isinstance(option, str)
        else ": ".join(filter(None, [string(option, "label"), string(option, "description")]))
        for option in options
        if isinstance(option, str | dict)
    ]
    several = " (several may be chosen)" if question.get("multiSelect") is True else ""
    return "\n".join([string(question, "question") + several, *(f"- {c}" for c in choices)])


def call_form(tool: str, given: dict[str, Any], project_path: str) -> str:
    """A call in one line, as permission rules write it: Bash(touch x)."""
    return f"{tool}({first_line(summary(tool, given, project_path))})"


def _intended(call: ToolUse, given: dict[str, Any]) -> list[Shape]:
    match call.name:
        case "TodoWrite":
            steps = tuple(_step(todo) for todo in objects(given, "todos"))
            return [Plan(call.tool_id, steps)]
        case "Edit":
            return [_change(call, "update", _edit(given))]
        case "MultiEdit":
            edits = objects(given, "edits")
            return [_change(call, "update", sum((_edit(edit) for edit in edits), ()))]
        case "Write":
            return [_change(call, "add", diffs.added(required(given, "content", str)))]
        case _:
            return []


def _step(todo: dict[str, Any]) -> PlanStep:
    status = string(todo, "status")
    return PlanStep(string(todo, "content"), status if status in STEP_STATES else "pending")


def _edit(edit: dict[str, Any]) -> tuple[DiffLine, ...]:
    return diffs.between(required(edit, "old_string", str), required(edit, "new_string", str))


def _change(call: ToolUse, kind: str, lines: tuple[DiffLine, ...]) -> FileChange:
    if not call.summary:
        raise Malformed("file_path")
    return FileChange(
        tool_id=call.tool_id,
        path=call.summary,
        kind=kind,
        lines=lines,
        status="in_progress",
        parent_tool_id=call.parent_tool_id,
    )


def tool_result(
    block: dict[str, Any], told: Any, parent: str | None, project_path: str
) -> list[Shape]:
    """What a call returned, or the change that it made.

    `told` is the event's `tool_use_result`: an object, a text, or absent as in sub-agents.
    """
    told = told if isinstance(told, dict) else {}
    content = contents.read(_searched(told) or block.get("content") or _structured(told))
    is_error = optional(block, "is_error", bool, False) or content.failed or _has_failed(told)
    text, exit_code = _ended(content.text, is_error)
    result = ToolResult(
        tool_id=_id(block, "tool_use_id"),
        text=text,
        is_error=is_error,
        exit_code=exit_code,
        parent_tool_id=parent,
        links=tuple(content.links),
        images=tuple(content.images),
    )
    if is_error or not string(told, "filePath"):
        return [result]
    try:
        return [_done(told, result, project_path)]
    except Malformed:  # the change is not told in a way that we know: what was said of it is
        return [result]


def _has_failed(told: dict[str, Any]) -> bool:
    """Whether a helper or a task failed, though the call that asked for it did not."""
    task: dict[str, Any] = optional(told, "task", dict, told)
    return string(task, "status") in FAILED


def _structured(told: dict[str, Any]) -> Any:
    """What an MCP server answered by a schema alone."""
    return told.get("structuredContent") or told.get("structured_content")


def _ended(text: str, is_error: bool) -> tuple[str, int | None]:
    """A result's text without what only marks it, and the exit code that it tells."""
    tag = ERROR_TAG.match(text)
    if tag:
        return tag[1], None
    exit_code = EXIT_CODE.match(text) if is_error else None
    return (text[exit_code.end() :], int(exit_code[1])) if exit_code else (text, None)


def _searched(told: dict[str, Any]) -> list[Any]:
    """What WebSearch found, as blocks; the result's own text has the links as JSON."""
    if not string(told, "query"):
        return []
    results: list[Any] = optional(told, "results", list, [])
    return [block for found in results for block in _found(found)]


def _found(found: Any) -> list[Any]:
    if not isinstance(found, dict):
        return [found]
    return [{"type": "web_search_result", **hit} for hit in objects(found, "content")]


def _done(told: dict[str, Any], result: ToolResult, project_path: str) -> FileChange:
    is_new = told.get("type") == "create"
    return FileChange(
        tool_id=result.tool_id,
        path=relative_path(string(told, "filePath"), project_path),
        kind="add" if is_new else "update",
        lines=_done_lines(told, is_new),
        parent_tool_id=result.parent_tool_id,
    )


def _done_lines(told: dict[str, Any], is_new: bool) -> tuple[DiffLine, ...]:
    hunks = objects(told, "structuredPatch")
    if hunks:
        return diffs.from_hunks(hunks)
    if is_new:
        return diffs.added(optional(told, "content", str, ""))
    return diffs.between(optional(told, "oldString", str, ""), optional(told, "newString", str, ""))
