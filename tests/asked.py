"""Requests as both tools make them, stored as a worker stores them."""

import json
import uuid
from typing import Any

from jobs_app import leases
from jobs_app.leases import Record
from jobs_app.models import Closed, JobAttempt, JobRequest
from jobs_app.talk import Asking, Closing
from sessions_app.providers import read_request

DATABASE = {
    "question": "Which database?",
    "header": "Data",
    "options": [{"label": "SQLite", "description": "a file"}, {"label": "PostgreSQL"}],
    "multiSelect": False,
}
FEATURES = {
    "question": "Which features?",
    "header": "Features",
    "options": [{"label": "Login"}, {"label": "Search"}],
    "multiSelect": True,
}


def claude(tool: str, input: dict[str, Any], *rules: tuple[str, str], **more: Any) -> str:
    """Claude Code's request; `rules` are what it suggests to allow from now on."""
    suggested = [{"toolName": name, "ruleContent": content} for name, content in rules]
    suggestion = {"type": "addRules", "behavior": "allow", "rules": suggested}
    request = {
        "subtype": "can_use_tool",
        "tool_name": tool,
        "input": input,
        "permission_suggestions": [suggestion] if suggested else [],
        "tool_use_id": "toolu_1",
        **more,
    }
    return json.dumps({"type": "control_request", "request_id": "r1", "request": request})


def bash(command: str = "make", *rules: str, **more: Any) -> str:
    return claude("Bash", {"command": command}, *(("Bash", rule) for rule in rules), **more)


def questions(*asked: dict[str, Any]) -> str:
    return claude("AskUserQuestion", {"questions": list(asked)})


def plan(text: str = "# Do it") -> str:
    return claude("ExitPlanMode", {"plan": text})


def codex(method: str, **params: Any) -> str:
    return json.dumps({"method": f"item/{method}", "id": 0, "params": params})


def ask(attempt: JobAttempt, line: str, call: str | None = None) -> JobRequest:
    """A request of this attempt that waits for a person, and that it has not made before."""
    line = of_its_own(line)
    asked = read_request(attempt.session.provider, line, call)
    request = JobRequest(
        attempt=attempt,
        job_id=attempt.job_id,
        session=attempt.session,
        kind=asked.kind,
        tool=asked.tool,
        call_id=asked.call_id,
        content_data=line,
        call_data=call,
    )
    assert leases.record([Record(attempt, Asking(request))], [])
    return request


def close(request: JobRequest, why: Closed) -> None:
    """As the worker does: the answer is handed over, or not wanted any more."""
    assert leases.record([Record(request.attempt, Closing([request], why))], [])


def of_its_own(line: str) -> str:
    """The request with ids that no other has."""
    data = json.loads(line)
    if "request" in data:
        data["request_id"] = str(uuid.uuid4())
        data["request"]["tool_use_id"] = f"toolu_{uuid.uuid4().hex}"
    else:
        data["params"]["itemId"] = f"call_{uuid.uuid4().hex}"
    return json.dumps(data)
