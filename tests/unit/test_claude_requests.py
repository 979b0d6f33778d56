"""What Claude Code asks, and what "for this session" would allow."""

from typing import Any

import pytest

from sessions_app.providers import Asked
from sessions_app.providers.claude_requests import read_request
from sessions_app.validation import validate_tools


def asked(tool: str = "Bash", input: Any = None, *suggestions: Any, **fields: Any) -> Asked:
    request = {
        "subtype": "can_use_tool",
        "tool_name": tool,
        "input": {} if input is None else input,
        "permission_suggestions": list(suggestions),
        **fields,
    }
    data = {"type": "control_request", "request_id": "r1", "request": request}
    read = read_request(data)
    assert read is not None
    return read


def rule(content: str | None, tool: str = "Bash", **fields: Any) -> dict[str, Any]:
    one = {"toolName": tool} if content is None else {"toolName": tool, "ruleContent": content}
    return {"type": "addRules", "rules": [one], "behavior": "allow", **fields}


def test_suggested_rules_are_offered_literally():
    read = asked("Bash", {"command": "npm test"}, rule("npm test *"), rule(None, "mcp__a__b"))
    assert read.rules == ["Bash(npm test *)", "mcp__a__b"]
    assert read.may_allow_session
    validate_tools(list(read.rules))


@pytest.mark.parametrize(
    "content",
    [
        "echo ),Bash(*",
        "echo a,b",
        "echo $(date)",
        "echo (x)",
        "echo a\nb",
        "echo \u202eb",
        "x" * 501,
    ],
)
def test_a_rule_that_would_mean_something_else_in_a_list_is_not_offered(content):
    """Nor any beside it: what is allowed would not be what was asked."""
    read = asked("Bash", {"command": content}, rule(content), rule("ls *"))
    assert read.rules == []
    assert not read.may_allow_session


def test_what_is_no_rule_that_allows_is_not_offered():
    denying = rule("ls *") | {"behavior": "deny"}
    mode = {"type": "setMode", "mode": "bypassPermissions", "destination": "session"}
    directory = {"type": "addDirectories", "directories": ["/"], "destination": "session"}
    assert asked("Bash", {"command": "ls"}, denying, mode, directory, "ls", None).rules == []


@pytest.mark.parametrize("tool", ["Write", "Edit"])
def test_for_a_file_the_rule_is_the_file(tool):
    mode = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}
    read = asked(tool, {"file_path": "/srv/notes of mine/a.txt"}, mode)
    assert read.rules == ["Edit(//srv/notes of mine/a.txt)"]
    validate_tools(list(read.rules))


def test_for_a_notebook_the_rule_is_the_notebook():
    assert asked("NotebookEdit", {"notebook_path": "/srv/a.ipynb"}).rules == ["Edit(//srv/a.ipynb)"]


@pytest.mark.parametrize(
    "path",
    [
        "/srv/*",
        "/srv/a?",
        "/srv/[ab]",
        "/srv/{a,b}",
        "/srv/a),Bash(*",
        "/srv/!a",
        "/srv/\\a",
        "/srv/a ",
        "/srv/\u200ba",
        "/srv/../etc/passwd",
        "/srv/a/",
        "//srv/a",
        "a.txt",
        "~/a.txt",
        "",
        7,
    ],
)
def test_a_path_that_a_rule_would_not_mean_literally_is_not_offered(path):
    assert asked("Write", {"file_path": path}).rules == []


def test_questions_and_plans_are_not_allowed_for_a_session():
    for tool in ("AskUserQuestion", "ExitPlanMode"):
        assert not asked(tool, {}, rule(None, tool)).may_allow_session


def test_a_plan_that_was_not_written_says_so():
    assert "no plan" in asked("ExitPlanMode", {}).reason
    assert asked("ExitPlanMode", {"plan": "# Do it"}).plan == "# Do it"
