"""Requests as a parked job leaves them: asked, in the conversation, and no process that waits."""

import json
import uuid

from django.db import transaction
from django.utils import timezone

from jobs_app.models import Job, JobAttempt, JobRequest
from jobs_app.outcomes import Outcome
from sessions_app import changes
from sessions_app.models import Session
from sessions_app.providers import read_request
from sessions_app.transcript import NewMessage, append
from tests.asked import DATABASE, FEATURES, codex, questions

PLAN = "# Move to SQLite\n\n1. Write the *migration*.\n\n<script>alert(1)</script>"
TWO_QUESTIONS = questions(DATABASE, FEATURES)


def shell(command: str, **more: str) -> str:
    return codex("commandExecution/requestApproval", command=command, cwd="/project", **more)


def ask(
    session: Session, line: str, call: str | None = None, *, prompt: str = "Work."
) -> JobRequest:
    """Have a session's agent ask this, as something that it has not asked before."""
    line = _of_its_own(line)
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


def _of_its_own(line: str) -> str:
    data = json.loads(line)
    if "request" in data:
        data["request_id"] = str(uuid.uuid4())
        data["request"]["tool_use_id"] = f"toolu_{uuid.uuid4().hex}"
    else:
        data["params"]["itemId"] = f"call_{uuid.uuid4().hex}"
    return json.dumps(data)
