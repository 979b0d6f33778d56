"""What must hold, checked against the agents' own log, the processes and the rows.

Each check yields sentences; none means that all is well.
"""

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from django.db.models import Count, Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Coalesce

from jobs_app.models import Closed, Job, JobAttempt, JobRequest, JobStatus
from jobs_app.outcomes import Outcome
from jobs_app.processes.tree import RUN_MARKER
from sessions_app.models import Session, SessionMessage
from sessions_app.providers import events

if TYPE_CHECKING:
    from tests.faults.world import Submitted, World

LINE_KIND = "numbered_line"


def numbered_line(job: int, number: int) -> str:
    return json.dumps({"type": LINE_KIND, "job": job, "number": number})


def check(world: "World") -> list[str]:
    """Everything that is wrong after a run whose jobs should all have ended."""
    return [
        *sorted(world.broken),
        *contradictions(),
        *_ends(world.jobs),
        *_agents(world),
        *_left_on_machine(world.base / "locks"),
        *_transcripts(world.jobs, Counter(world.words.values())),
        *_talk(world),
        *_words(world.words),
        *_lost(world.acknowledged),
        *_complaints(world.worker_log),
    ]


def summary() -> str:
    outcomes = Counter(JobAttempt.objects.values_list("outcome", flat=True))
    runs = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    return f"{Job.objects.count()} jobs, {SessionMessage.objects.count()} messages, runs: {runs}"


def contradictions() -> Iterator[str]:
    """What must not be seen at any moment; each look is one statement, so one moment."""
    sessions = Session.objects.annotate(has_run=Exists(_open_runs(session=OuterRef("pk"))))
    for pk in sessions.exclude(is_working=F("has_run")).values_list("pk", flat=True):
        yield f"session {pk}: is_working does not say whether an attempt is open"
    jobs = Job.objects.annotate(has_run=Exists(_open_runs(job=OuterRef("pk"))))
    wrong = Q(has_run=True) ^ Q(status=JobStatus.PROCESSING)
    for pk, status in jobs.filter(wrong).values_list("pk", "status"):
        yield f"job {pk}: {status}, which its attempts contradict"
    counted = Session.objects.annotate(
        messages_there=Count("messages"), tokens_there=Coalesce(Sum("messages__token_count"), 0)
    )
    right = Q(message_count=F("messages_there"), token_count=F("tokens_there"))
    for pk in counted.exclude(right).values_list("pk", flat=True):
        yield f"session {pk}: its counters are not the sums over its messages"


def _open_runs(**owner: Any) -> Any:
    return JobAttempt.objects.open().filter(**owner)


def _ends(jobs: Sequence["Submitted"]) -> Iterator[str]:
    ends = {pk: rest for pk, *rest in Job.objects.values_list("pk", "status", "error")}
    for job in jobs:
        status, error = ends.get(job.job_id, ("missing", None))
        wanted = JobStatus.FAILED if job.failure else JobStatus.COMPLETED
        if status != wanted or (job.failure or "") not in (error or ""):
            yield f"job {job.number} is {status}: {error}"


# --- the agents' side -------------------------------------------------------


def count_starts(log: Path) -> int:
    return log.read_text().count("start ")


def _agents(world: "World") -> Iterator[str]:
    told = [line.split()[:2] for line in world.agents_log.read_text().splitlines()]
    runs = {run.pk: run for run in JobAttempt.objects.all()}
    starts = [marker for event, marker in told if event == "start"]
    ends = {marker for event, marker in told if event == "end"}
    yield from (f"run {marker} began before another of its session had ended"
                for event, marker in told if event == "overlap")  # fmt: skip
    yield from (f"run {marker} has no attempt" for marker in set(starts) - set(runs))
    yield from (f"run {marker} began twice" for marker in starts if starts.count(marker) > 1)
    yield from _late(world, runs)
    for run in runs.values():
        if run.outcome == Outcome.SUCCEEDED and run.pk not in ends:
            yield f"attempt {run.pk} succeeded, but its agent did not reach its end"
    yield from _disorder(world.jobs, [runs[marker].job_id for marker in starts if marker in runs])


def _late(world: "World", runs: Mapping[str, JobAttempt]) -> Iterator[str]:
    """No agent may begin once its attempt is closed; comparing needs clocks that agree."""
    for line in world.agents_log.read_text().splitlines() if world.clocks_agree else ():
        event, marker, moment = line.split()
        closed = runs[marker].finished_at if marker in runs else None
        if event == "start" and closed and float(moment) > closed.timestamp():
            yield f"run {marker} began after its attempt was closed"


def _disorder(jobs: Sequence["Submitted"], started: Sequence[str]) -> Iterator[str]:
    by_id = {job.job_id: job for job in jobs}
    last: dict[str, int] = {}
    for job in (by_id[pk] for pk in started):
        if job.number < last.get(job.session_id, 0):
            yield f"job {job.number} ran after job {last[job.session_id]} of its session"
        last[job.session_id] = job.number


# --- the machine ------------------------------------------------------------


def marked_processes() -> list[int]:
    """Every living process that belongs to one of these runs, by the marker in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if RUN_MARKER in environment and environment.get("HOME") == os.environ["HOME"]:
            found.append(process.pid)
    return found


def _left_on_machine(locks: Path) -> Iterator[str]:
    yield from (f"process {pid} of a run is left" for pid in marked_processes())
    for path in locks.iterdir():
        handle = os.open(path, os.O_WRONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield f"something of session {path.name} still lives"
        finally:
            os.close(handle)


# --- the rows ---------------------------------------------------------------


def _transcripts(jobs: Sequence["Submitted"], words: Mapping[str, int]) -> Iterator[str]:
    """`words` is how many things agents were told, by session."""
    by_session: dict[str, list[Submitted]] = {}
    for job in jobs:
        by_session.setdefault(job.session_id, []).append(job)
    runs = dict(JobAttempt.objects.values_list("job_id").annotate(runs=Count("pk")))
    for session_id, its_jobs in by_session.items():
        rows = SessionMessage.objects.filter(session_id=session_id).order_by("pk")
        stored = [events.parse_stored(raw) for raw in rows.values_list("content_data", flat=True)]
        lines = [(data["job"], data["number"]) for data in stored if data.get("type") == LINE_KIND]
        if [number for number, _ in groupby(lines, key=lambda line: line[0])] != [
            job.number for job in its_jobs if job.lines
        ]:
            yield f"session {session_id}: the jobs' lines are missing, mixed or out of order"
        prompts = sum(data.get("kind") == events.PROMPT for data in stored)
        wanted = len(its_jobs) + words.get(session_id, 0)
        if prompts != wanted:
            yield f"session {session_id}: {prompts} prompts shown of {wanted}"
        for job in its_jobs:
            numbers = [number for owner, number in lines if owner == job.number]
            yield from _gaps(job, numbers, runs.get(job.job_id, 0))


def _gaps(job: "Submitted", numbers: Sequence[int], runs: int) -> Iterator[str]:
    """Each run leaves the first lines of what its agent printed, the last one all of them."""
    parts: list[list[int]] = []
    for number in numbers:
        if number == 0:
            parts.append([])
        if not parts or number != len(parts[-1]):
            yield f"job {job.number}: line {number} is in the wrong place"
            return
        parts[-1].append(number)
    if len(parts) > runs:
        yield f"job {job.number}: {len(parts)} transcripts of {runs} runs"
    last = parts[-1] if parts else []
    if last != list(range(job.lines)):
        yield f"job {job.number}: its last run left {len(last)} of {job.lines} lines"


# --- what agents asked and were told -----------------------------------------------


def call(job: int, number: int) -> str:
    """The command of a call: its job and its number in that."""
    return f"call {job} {number}"


def _talk(world: "World") -> Iterator[str]:
    requests = list(JobRequest.objects.order_by("pk"))
    for request in requests:
        if request.pk in world.answers and request.answered_by != world.answers[request.pk]:
            yield f"request {request.pk}: its answer is not the one that was taken"
        if request.closed_why != Closed.ANSWERED:
            yield f"request {request.pk} of {request.asked.input} is closed as {request.closed_why}"
    told = [json.loads(line) for line in world.calls_log.read_text().splitlines()]
    for job in world.jobs:
        ends = JobAttempt.objects.filter(job=job.job_id).values_list("outcome", flat=True)
        cut_off = sum(outcome != Outcome.SUCCEEDED for outcome in ends)
        for number in range(job.calls):
            command = call(job.number, number)
            asked = [r for r in requests if r.asked.input["command"] == command]
            made = [each for each in told if _is_about(each, job.number, number)]
            yield from _one_call(command, asked, made, cut_off)


def _is_about(event: Mapping[str, Any], job: int, number: int) -> bool:
    return bool(event["job"] == job and event["call"] == number)


def _one_call(
    command: str,
    asked: Sequence[JobRequest],
    made: Sequence[Mapping[str, Any]],
    cut_off: int,
) -> Iterator[str]:
    """A call is made at most once for each time that it is allowed, and never otherwise than it was
    shown; it is asked for again only if an attempt was cut off that had its answer."""
    allowed = Counter(_allowed_input(r) for r in asked if r.given["decision"] == "allow")
    ran = Counter(each["input"]["command"] for each in made if each["event"] == "ran")
    denials = sum(r.given["decision"] == "deny" for r in asked)
    denied = sum(each["event"] == "denied" for each in made)
    if ran - allowed:
        yield f"{command}: ran {dict(ran)}, allowed {dict(allowed)}"
    if denied > denials:
        yield f"{command}: denied {denied} times, by people {denials} times"
    if not asked or len(asked) > 1 + cut_off:
        yield f"{command}: asked {len(asked)} times, {cut_off} attempts were cut off"
    last = made[-1]["event"] if made else "nothing"
    if asked and last != ("ran" if asked[-1].given["decision"] == "allow" else "denied"):
        yield f"{command}: {asked[-1].given}, but the last of it was {last}"


def _allowed_input(request: JobRequest) -> str:
    return str((request.given.get("input") or request.asked.input)["command"])


def _words(words: Mapping[str, str]) -> Iterator[str]:
    """Each is in its session's transcript once: as a message, or as the prompt that it became."""
    for word, session_id in words.items():
        rows = SessionMessage.objects.filter(session_id=session_id, type="user")
        stored = [events.parse_stored(raw) for raw in rows.values_list("content_data", flat=True)]
        shown = sum(data.get("content") == word for data in stored)
        if shown != 1:
            yield f"{word} is shown {shown} times"


def _lost(acknowledged: set[str]) -> Iterator[str]:
    there = set(SessionMessage.objects.values_list("pk", flat=True))
    if lost := acknowledged - there:
        yield f"{len(lost)} messages that a reader had seen are gone"


def _complaints(log: Path) -> Iterator[str]:
    """What a worker survives it reports as a warning; anything worse is a fault of its own."""
    for line in log.read_text(errors="replace").splitlines():
        try:
            level = json.loads(line).get("level")
        except ValueError:
            level = "not a log line"
        if level not in ("debug", "info", "warning"):
            yield f"a worker said: {line[:300]}"
