"""Claude Code's tool calls: their key argument, and the changes of files that they make."""

import re
from typing import Any

from sessions_app.providers import diffs
from sessions_app.providers.reading import (
    Malformed,
    first_line,
    objects,
    optional,
    relative_path,
    required,
    string,
    type_of,
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
PATH_ARGUMENTS = {"file_path", "notebook_path", "path"}
STEP_STATES = {"pending", "in_progress", "completed"}
EXIT_CODE = re.compile(r"Exit code (\d{1,9})(?:\n|$)")
ERROR_TAG = re.compile(r"\A<tool_use_error>(.*)</tool_use_error>\Z", re.DOTALL)


def tool_use(block: dict[str, Any], parent: str | None, project_path: str) -> list[Shape]:
    """A call, with its plan or the change of a file that it asks for."""
    tool_id, tool = required(block, "id", str), required(block, "name", str)
    arguments: dict[str, Any] = optional(block, "input", dict, {})
    call = ToolUse(
        tool_id=tool_id,
        name=tool,
        summary=summary(tool, arguments, project_path),
        arguments=arguments,
        description=string(arguments, "description") if tool == "Bash" else "",
        parent_tool_id=parent,
    )
    try:
        return [call, *_intended(call, project_path)]
    except Malformed:  # a model may call a tool with wrong arguments: that is still a call
        return [call]


def summary(tool: str, arguments: dict[str, Any], project_path: str) -> str:
    """The one argument that says most; "" if there is none."""
    texts = [key for key, value in arguments.items() if isinstance(value, str)]
    key = KEY_ARGUMENTS.get(tool) or next(iter(texts), "")
    value = string(arguments, key)
    if key in PATH_ARGUMENTS:
        return relative_path(value, project_path)
    directory = string(arguments, "path")
    if tool in ("Grep", "Glob") and directory:
        return f"{value} in {relative_path(directory, project_path)}"
    return value


def call_form(tool: str, arguments: dict[str, Any], project_path: str) -> str:
    """A call in one line, as permission rules write it: Bash(touch x)."""
    return f"{tool}({first_line(summary(tool, arguments, project_path))})"


def _intended(call: ToolUse, project_path: str) -> list[Shape]:
    match call.name:
        case "TodoWrite":
            steps = tuple(_step(todo) for todo in objects(call.arguments, "todos"))
            return [Plan(call.tool_id, steps)]
        case "Edit":
            return [_change(call, "update", _edit(call.arguments))]
        case "MultiEdit":
            edits = objects(call.arguments, "edits")
            return [_change(call, "update", sum((_edit(edit) for edit in edits), ()))]
        case "Write":
            return [_change(call, "add", diffs.added(required(call.arguments, "content", str)))]
        case _:
            return []


def _step(todo: dict[str, Any]) -> PlanStep:
    status = string(todo, "status")
    return PlanStep(required(todo, "content", str), status if status in STEP_STATES else "pending")


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
    text = content_text(block.get("content"))
    is_error = optional(block, "is_error", bool, False)
    exit_code = EXIT_CODE.match(text) if is_error else None
    tag = ERROR_TAG.match(text)
    result = ToolResult(
        tool_id=required(block, "tool_use_id", str),
        text=tag[1] if tag else text[exit_code.end() if exit_code else 0 :],
        is_error=is_error,
        exit_code=int(exit_code[1]) if exit_code else None,
        parent_tool_id=parent,
    )
    if is_error or not isinstance(told, dict) or "filePath" not in told:
        return [result]
    return [_done(told, result, project_path)]


def _done(told: dict[str, Any], result: ToolResult, project_path: str) -> FileChange:
    is_new = told.get("type") == "create"
    return FileChange(
        tool_id=result.tool_id,
        path=relative_path(required(told, "filePath", str), project_path),
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


def content_text(content: Any) -> str:
    """The text of a message's or a result's content, a text or a list of blocks."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise Malformed("content")
    return "\n".join(_block_text(block) for block in content)


def _block_text(block: Any) -> str:
    if not isinstance(block, dict):
        raise Malformed("content")
    kind = type_of(block)
    return required(block, "text", str) if kind == "text" else f"[{kind or 'unknown content'}]"
