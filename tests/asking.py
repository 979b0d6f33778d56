"""Requests as a parked job leaves them: asked, in the conversation, and no process that waits."""

from django.db import transaction
from django.utils import timezone

from jobs_app.models import Job, JobAttempt, JobRequest
from jobs_app.outcomes import Outcome
from sessions_app import changes
from sessions_app.models import Session
from sessions_app.providers import read_request
from sessions_app.transcript import NewMessage, append
from tests.asked import DATABASE, FEATURES, codex, of_its_own, questions

PLAN = "# Move to SQLite\n\n1. Write the *migration*.\n\n<script>alert(1)</script>"
TWO_QUESTIONS = questions(DATABASE, FEATURES)


def shell(command: str, **more: str) -> str:
    return codex("commandExecution/requestApproval", command=command, cwd="/project", **more)


def ask(
    session: Session, line: str, call: str | None = None, *, prompt: str = "Work."
) -> JobRequest:
    """Have a session's agent ask this, as something that it has not asked before."""
    line = of_its_own(line)
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
