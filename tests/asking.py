"""Requests of agents as a parked job leaves them: asked, stored, and no process that waits."""

import json
import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from jobs_app.models import Job, JobAttempt, JobRequest
from jobs_app.outcomes import Outcome
from sessions_app import changes
from sessions_app.models import Session
from sessions_app.providers import read_request
from sessions_app.transcript import NewMessage, append

PLAN = "# Move to SQLite\n\n1. Write the *migration*.\n\n<script>alert(1)</script>"
QUESTIONS = [
    {
        "header": "Database",
        "question": "Which database should it use?",
        "options": [
            {"label": "SQLite", "description": "One file, nothing to run."},
            {"label": "PostgreSQL", "description": "A server, for many hosts."},
        ],
        "multiSelect": False,
    },
    {
        "header": "Features",
        "question": "Which features first?",
        "options": [{"label": "Login"}, {"label": "Search"}, {"label": "Export"}],
        "multiSelect": True,
    },
]


def claude(tool: str, input: dict[str, Any], **more: Any) -> str:
    """The line on which Claude Code asks whether it may use a tool."""
    request = {"subtype": "can_use_tool", "tool_name": tool, "input": input, **more}
    request.setdefault("tool_use_id", f"toolu_{uuid.uuid4().hex}")
    line = {"type": "control_request", "request_id": str(uuid.uuid4()), "request": request}
    return json.dumps(line)


def bash(command: str, *rules: str, **more: Any) -> str:
    suggested = [{"toolName": "Bash", "ruleContent": rule} for rule in rules]
    suggestion = {"type": "addRules", "rules": suggested, "behavior": "allow"}
    if rules:
        more["permission_suggestions"] = [{**suggestion, "destination": "localSettings"}]
    return claude("Bash", {"command": command}, **more)


def questions(*asked: dict[str, Any]) -> str:
    return claude("AskUserQuestion", {"questions": list(asked or QUESTIONS)})


def plan(text: str = PLAN) -> str:
    return claude("ExitPlanMode", {"plan": text})


def codex(method: str, id: int = 0, **params: Any) -> str:
    params.setdefault("itemId", f"call_{uuid.uuid4().hex}")
    return json.dumps({"method": method, "id": id, "params": params})


def shell(command: str, **more: Any) -> str:
    method = "item/commandExecution/requestApproval"
    return codex(method, command=command, cwd="/home/dev/project", **more)


def ask(
    session: Session, line: str, call: str | None = None, *, prompt: str = "Work."
) -> JobRequest:
    """Have a session's agent ask this."""
    asked = read_request(session.provider, line, call)
    with transaction.atomic():
        job = Job.objects.enqueue(session, prompt)
        Job.objects.filter(pk=job.pk).update(attempts=1, data={**job.data, "messageId": "1"})
        attempt = JobAttempt.objects.create(
            job=job,
            session=session,
            number=1,
            worker_id="gone",
            host="test",
            finished_at=timezone.now(),
            outcome=Outcome.PARKED,
        )
        append([NewMessage(session.pk, session.provider, "system", line)])
        row = JobRequest.objects.create(
            attempt=attempt,
            job=job,
            session=session,
            kind=asked.kind,
            tool=asked.tool,
            call_id=asked.call_id,
            content_data=line,
            call_data=call,
        )
        changes.announce(changes.JOBS)
    return row
