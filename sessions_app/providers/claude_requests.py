"""What Claude Code asks by its control protocol (`can_use_tool`); measured with 2.1.330."""

from typing import Any

from sessions_app.providers.asked import Asked, Choice, Question
from sessions_app.providers.reading import objects, optional, string
from sessions_app.validation import is_tool
from sessions_app.visible import visible

KINDS = {"AskUserQuestion": "question", "ExitPlanMode": "plan"}


def read_request(data: dict[str, Any]) -> Asked | None:
    """See `asked.Requests`."""
    request: dict[str, Any] = optional(data, "request", dict, {})
    identifier = data.get("request_id")
    if (
        string(data, "type") != "control_request"
        or string(request, "subtype") != "can_use_tool"
        or not isinstance(identifier, str)
    ):
        return None
    tool = string(request, "tool_name")
    input: dict[str, Any] = optional(request, "input", dict, {})
    kind = KINDS.get(tool, "permission")
    rules = _rules(request) if kind == "permission" else []
    return Asked(
        identifier,
        kind,
        tool,
        input,
        call_id=string(request, "tool_use_id") or None,
        agent_id=string(request, "agent_id") or None,
        reason=string(request, "decision_reason") or string(request, "description"),
        rules=rules,
        may_change=kind == "permission",
        may_allow_session=bool(rules),
        questions=[_question(each) for each in objects(input, "questions")],
        plan=string(input, "plan"),
    )


def _rules(request: dict[str, Any]) -> list[str]:
    """The suggested rules as a list of allowed tools has them; those that cannot stand there, or
    do not read as what they are, are left out."""
    suggested = (
        f"{string(rule, 'toolName')}({content})" if content else string(rule, "toolName")
        for suggestion in objects(request, "permission_suggestions")
        if string(suggestion, "type") == "addRules" and string(suggestion, "behavior") == "allow"
        for rule in objects(suggestion, "rules")
        for content in [string(rule, "ruleContent")]
    )
    return [rule for rule in suggested if is_tool(rule) and visible(rule) == rule]


def _question(question: dict[str, Any]) -> Question:
    """Claude names a question's answer by its text."""
    text = string(question, "question")
    choices = [
        Choice(string(option, "label"), string(option, "description"))
        for option in objects(question, "options")
    ]
    several = optional(question, "multiSelect", bool, False)
    return Question(text, text, string(question, "header"), choices, several)
