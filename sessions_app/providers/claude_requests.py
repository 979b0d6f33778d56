"""What Claude Code asks by its control protocol (`can_use_tool`); measured with 2.1.330."""

import posixpath
import re
from typing import Any

from sessions_app.providers.asked import Asked, Choice, Question
from sessions_app.providers.reading import objects, optional, string
from sessions_app.validation import TOOL
from sessions_app.visible import visible

KINDS = {"AskUserQuestion": "question", "ExitPlanMode": "plan"}
FILE_TOOLS = frozenset({"Edit", "NotebookEdit", "Write"})

PATTERN = re.compile(r"[*?\[\]{}!#\\]|^//|\s$")
"""What a path in a rule does not mean literally."""

NO_PLAN = "It asks to leave plan mode, and has written no plan."


def read_request(data: dict[str, Any]) -> Asked | None:
    """See `asked.Requests`. One that does not show what would run is none."""
    request: dict[str, Any] = optional(data, "request", dict, {})
    identifier, input = data.get("request_id"), request.get("input")
    tool = string(request, "tool_name")
    if (
        string(data, "type") != "control_request"
        or string(request, "subtype") != "can_use_tool"
        or not isinstance(identifier, str)
        or not isinstance(input, dict)
        or not tool
    ):
        return None
    kind = KINDS.get(tool, "permission")
    rules = _rules(request, tool, input) if kind == "permission" else []
    return Asked(
        identifier,
        kind,
        tool,
        input,
        call_id=string(request, "tool_use_id") or None,
        agent_id=string(request, "agent_id") or None,
        reason=_reason(request, kind, input),
        rules=rules,
        may_change=kind == "permission",
        may_allow_session=bool(rules),
        questions=[_question(each) for each in objects(input, "questions")],
        plan=string(input, "plan"),
    )


def _reason(request: dict[str, Any], kind: str, input: dict[str, Any]) -> str:
    if kind == "plan" and not string(input, "plan"):
        return NO_PLAN
    return string(request, "decision_reason") or string(request, "description")


def _rules(request: dict[str, Any], tool: str, input: dict[str, Any]) -> list[str]:
    """The rules that "for this session" would add, as entries of a list of allowed tools; none
    where one of them cannot be such an entry, or does not read as what it is."""
    rules = _suggested(request) or _file_rule(tool, input)
    return rules if all(TOOL.fullmatch(rule) and visible(rule) == rule for rule in rules) else []


def _suggested(request: dict[str, Any]) -> list[str]:
    return [
        f"{string(rule, 'toolName')}({content})" if content else string(rule, "toolName")
        for suggestion in objects(request, "permission_suggestions")
        if string(suggestion, "type") == "addRules" and string(suggestion, "behavior") == "allow"
        for rule in objects(suggestion, "rules")
        for content in [string(rule, "ruleContent")]
    ]


def _file_rule(tool: str, input: dict[str, Any]) -> list[str]:
    """Claude suggests no rule for a file, but to allow all edits: instead, all edits of this file
    (that is what `Edit` means in a rule, and `//` begins an absolute path; measured)."""
    path = string(input, "file_path") or string(input, "notebook_path")
    is_plain = posixpath.isabs(path) and posixpath.normpath(path) == path
    if tool not in FILE_TOOLS or not is_plain or PATTERN.search(path):
        return []
    return [f"Edit(/{path})"]


def _question(question: dict[str, Any]) -> Question:
    """Claude names a question's answer by its text."""
    text = string(question, "question")
    choices = [
        Choice(string(option, "label"), string(option, "description"))
        for option in objects(question, "options")
    ]
    several = optional(question, "multiSelect", bool, False)
    return Question(text, text, string(question, "header"), choices, several)
