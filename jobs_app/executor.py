"""One claimed job: prompt in, messages out, and an honest end."""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from jobs_app import queue
from jobs_app.agents import AGENTS
from jobs_app.agents.base import Agent, Exit, Observer, Request, Verdict
from jobs_app.agents.process import AgentProcess
from jobs_app.database import DatabaseThread
from jobs_app.models import JobAttempt, Outcome, is_trusted
from jobs_app.queue import RunReport
from jobs_app.recorder import Recorder
from sessions_app import git, projects, transcript
from sessions_app.models import MessageType
from sessions_app.providers import PROVIDERS, Meter, ProviderEvents, events
from sessions_app.transcript import NewMessage

logger = logging.getLogger(__name__)

STOPPED_OUTCOMES = {
    "cancelled": Outcome.CANCELLED,
    "interrupted": Outcome.INTERRUPTED,
    "lease lost": Outcome.LOST,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run needs to know from the database before it starts."""

    request: Request
    previous_usage: Any


class Run:
    """One attempt from claim to close; `stop` may come at any moment of it."""

    def __init__(self, attempt: JobAttempt, database: DatabaseThread, recorder: Recorder) -> None:
        self.attempt = attempt
        self._database = database
        self._recorder = recorder
        self._stop_reason: str | None = None
        self._process: AgentProcess | None = None
        self._conversation: str | None = None

    @property
    def _provider(self) -> ProviderEvents:
        return PROVIDERS[self.attempt.session.provider]

    @property
    def _agent(self) -> Agent:
        return AGENTS[self.attempt.session.provider]

    def stop(self, reason: str) -> None:
        """End the run: "cancelled", "interrupted" or "lease lost"; the first reason stays."""
        if self._stop_reason is None:
            self._stop_reason = reason
        if self._process is not None:
            self._process.stop(self._stop_reason)

    async def execute(self) -> None:
        """Run the agent and close the attempt; whatever goes wrong, the attempt is closed."""
        meter = self._provider.meter()
        try:
            head = await asyncio.to_thread(git.head, Path(self.attempt.session.project_path))
            if not await self._record(lambda: queue.begin(self.attempt, git_head=head)):
                return
            plan = await self._database(_plan, self.attempt)
            meter = self._provider.meter(plan.previous_usage)
            verdict, exit_code = await self._drive(plan.request, meter)
        except Exception as error:
            verdict, exit_code = _failed_to_run(error, self._agent), None
        finally:
            await asyncio.to_thread(shutil.rmtree, run_directory(self.attempt.pk), True)
        await self._close(verdict, exit_code, meter)

    async def _drive(self, request: Request, meter: Meter) -> tuple[Verdict, int | None]:
        """Start the agent, read it to its end, and judge."""
        if self._stop_reason is not None:
            return Verdict(STOPPED_OUTCOMES[self._stop_reason]), None
        observer = self._agent.observer(request)
        exit = await self._run_process(request, self._line_reader(observer, meter))
        return observer.verdict(exit), exit.exit_code

    async def _run_process(
        self, request: Request, on_line: Callable[[bytes, bool], None]
    ) -> Exit:
        directory = projects.open_project(request.project_path)
        try:
            self._process = await AgentProcess.start(
                self._agent.launch(request),
                directory,
                on_line,
                run_id=request.run_id,
                timeout=settings.POKECODE_JOB_TIMEOUT,
                grace=settings.POKECODE_CANCEL_GRACE,
            )
        finally:
            os.close(directory)
        process = self._process
        if self._stop_reason is not None:
            process.stop(self._stop_reason)
        recorded = asyncio.create_task(
            self._record(
                lambda: queue.record_process(self.attempt, process.pid, process.started)
            )
        )
        exit = await process.wait()
        await recorded
        return exit

    def _line_reader(self, observer: Observer, meter: Meter) -> Callable[[bytes, bool], None]:
        def on_line(raw: bytes, cut: bool) -> None:
            line = events.read_line(raw, cut=cut)
            if line.is_own:
                self._add(MessageType.ERROR, line.raw, None)
                return
            observer.observe(line.data)
            self._conversation = self._provider.session_id(line.data) or self._conversation
            self._add(self._provider.classify(line.data), line.raw, meter.count(line.data))

        return on_line

    async def _close(self, verdict: Verdict, exit_code: int | None, meter: Meter) -> None:
        project = Path(self.attempt.session.project_path)
        report = RunReport(
            outcome=verdict.outcome,
            error=verdict.error,
            exit_code=exit_code,
            provider_session_id=self._conversation,
            usage=meter.usage,
            raw_usage=meter.raw,
            cost_usd=meter.cost_usd,
            git_head_after=await asyncio.to_thread(git.head, project),
        )
        if verdict.outcome != Outcome.LOST:
            self._explain(verdict)
        await self._record(lambda: close(self.attempt, report, verdict))

    def _explain(self, verdict: Verdict) -> None:
        """Say in the transcript how the run ended, unless it just succeeded."""
        if verdict.outcome in (Outcome.CANCELLED, Outcome.INTERRUPTED):
            text = verdict.error or f"The run was {verdict.outcome}."
            self._add(MessageType.SYSTEM, events.notice(text).raw, None)
        elif verdict.outcome != Outcome.SUCCEEDED:
            text = verdict.error or "The agent failed without saying why."
            self._recorder.add(
                self.attempt, queue.failure_message(self.attempt, text, verdict.detail)
            )

    def _add(self, kind: str, raw: str, tokens: int | None) -> None:
        message = NewMessage(
            session_id=self.attempt.session_id,
            provider=self.attempt.session.provider,
            type=kind,
            content=raw,
            provider_session_id=self._conversation,
            token_count=tokens,
        )
        self._recorder.add(self.attempt, message)

    async def _record(self, action: Callable[[], bool]) -> bool:
        return bool(await self._recorder.write(self.attempt, action))


def close(attempt: JobAttempt, report: RunReport, verdict: Verdict) -> bool:
    """The verb for each outcome."""
    match verdict.outcome:
        case Outcome.SUCCEEDED:
            return queue.complete(attempt, report)
        case Outcome.CANCELLED:
            return queue.end_cancelled(attempt, report)
        case Outcome.INTERRUPTED:
            return queue.release(attempt, report)
        case Outcome.RATE_LIMITED:
            return queue.defer(attempt, report, verdict.retry_at)
        case _:
            return queue.fail(attempt, report, permanent=verdict.permanent)


def _plan(attempt: JobAttempt) -> Plan:
    session, data = attempt.session, attempt.job.data
    resume = transcript.conversation_id(session.pk)
    request = Request(
        run_id=attempt.pk,
        prompt=data["prompt"],
        project_path=session.project_path,
        model=data.get("model"),
        allowed_tools=data.get("allowedTools") or session.allowed_tools,
        context=session.context,
        resume=resume,
        trusted=is_trusted(session.project_path),
        private_directory=str(_private_directory(attempt.pk)),
    )
    return Plan(request, _previous_usage(session.pk, resume))


def _previous_usage(session_id: str, conversation: str | None) -> Any:
    if conversation is None:
        return None
    runs = JobAttempt.objects.filter(
        session_id=session_id, provider_session_id=conversation, raw_usage__isnull=False
    )
    return runs.order_by("-pk").values_list("raw_usage", flat=True).first()


def run_directory(attempt_id: str) -> Path:
    """Where a run keeps its private files, below the data directory."""
    return Path(settings.POKECODE_DATA_DIR) / "runs" / attempt_id


def _private_directory(attempt_id: str) -> Path:
    directory = run_directory(attempt_id)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _failed_to_run(error: Exception, agent: Agent) -> Verdict:
    match error:
        case ValidationError():
            return Verdict(Outcome.FAILED, " ".join(error.messages), permanent=True)
        case FileNotFoundError():
            text = f"{agent.name} is not installed on this host. {agent.install_hint}"
            return Verdict(Outcome.FAILED, text, permanent=True)
        case PermissionError():
            text = f"{agent.name} may not be started: check the permissions of its program."
            return Verdict(Outcome.FAILED, text, permanent=True)
        case OSError():
            return Verdict(Outcome.FAILED, f"{agent.name} cannot be started: {error.strerror}.")
        case _:
            logger.error("A run failed within PokéCode.", exc_info=error)
            return Verdict(Outcome.FAILED, "PokéCode itself failed here: see the worker's log.")
