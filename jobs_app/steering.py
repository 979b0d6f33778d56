"""What people tell a running agent: a word in the middle of its turn, or to stop the turn.

From outside: `steer` and `interrupt`; `queue.cancel` ends the run.
"""

from django.db import transaction
from django.utils import timezone

from jobs_app import queue, talk
from jobs_app.models import Job, JobAttempt, JobSteer
from jobs_app.who import this_user
from sessions_app import changes
from sessions_app.validation import validate_prompt


def steer(job: Job, text: str, *, by: str | None = None) -> JobSteer | Job:
    """Tell the job's agent something now. If it does not run (any more), the text becomes a prompt
    of its own, to be run as the job was: that one is returned then."""
    validate_prompt(text)
    told = JobSteer(job_id=job.pk, session_id=job.session_id, text=text, told_by=by or this_user())
    with transaction.atomic():
        # The end of an attempt locks it too: either it finds this word, or we find it closed.
        running = JobAttempt.objects.open().filter(job_id=job.pk).select_for_update()
        is_running = running.first() is not None
        if not is_running:
            queue.require_active(job.session_id)
        told.save(force_insert=True)
        changes.announce(changes.JOBS)
        if is_running:
            return told
        own = talk.prompt_of(told, job.pk)
        talk.keep_as_prompt(told, own)
    return own


def interrupt(job: Job) -> bool:
    """Stop the agent's turn, and keep the conversation: what it was told meanwhile it still does,
    in the same run, and if that succeeds so has the job. Otherwise the job ends as cancelled, and
    is not tried again. False if it does not run, or is being interrupted already."""
    with transaction.atomic():
        running = JobAttempt.objects.open().filter(job_id=job.pk, interrupt_requested_at=None)
        changed = running.update(interrupt_requested_at=timezone.now())
        if changed:
            changes.announce(changes.JOBS)
    return bool(changed)
