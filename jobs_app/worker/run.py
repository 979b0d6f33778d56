"""One claimed job: prompt in, messages out, and an honest end."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.core.exceptions import ValidationError

from jobs_app import queue
from jobs_app.agents import AGENTS
from jobs_app.agents.base import Agent, Observer, Request, Verdict
from jobs_app.leases import End, Ending, Plan, RunReport, Start
from jobs_app.models import JobAttempt, Outcome
from jobs_app.processes.process import AgentProcess
from jobs_app.worker import plans
from jobs_app.worker.plans import remove_private_files
from jobs_app.worker.recorder import Recorder
from sessions_app.models import MessageType
from sessions_app.projects import directories, git
from sessions_app.providers import PROVIDERS, Meter, ProviderEvents, events
from sessions_app.transcript import NewMessage

logger = logging.getLogger(__name__)

STOPPED_OUTCOMES = {
    "cancelled": Outcome.CANCELLED,
    "interrupted": Outcome.INTERRUPTED,
    "lease lost": Outcome.LOST,
}


class Run:
    """One attempt from claim to close; `stop` may come at any moment of it."""

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        self.attempt = plan.attempt
        self._plan = plan
        self._recorder = recorder
        self._meter: Meter | None = None
        self._stop_reason: str | None = None
        self._process: AgentProcess | None = None
        self._conversation: str | None = None

    @property
    def _agent(self) -> Agent:
        return AGENTS[self.attempt.session.provider]

    def stop(self, reason: str) -> None:
        """End the run: "cancelled", "interrupted" or "lease lost"; the first reason stays."""
        if self._stop_reason is None:
            self._stop_reason = reason
        if self._process is not None:
            self._process.stop(reason, _grace(reason))

    async def execute(self) -> None:
        """Run the agent and close the attempt; whatever goes wrong, the attempt is closed."""
        try:
            verdict, exit_code = await self._drive()
        except Exception as error:
            await self._abandon_process()
            verdict, exit_code = _failed_to_run(error, self.attempt.session.provider), None
        remove_private_files(self.attempt.pk)
        await self._close(verdict, exit_code)

    async def _drive(self) -> tuple[Verdict, int | None]:
        """Start the agent, read it to its end, and judge."""
        if self._stop_reason is not None:
            return Verdict(STOPPED_OUTCOMES[self._stop_reason]), None
        request = plans.request(self._plan)
        observer = self._agent.observer(request)
        reader = self._line_reader(observer, PROVIDERS[self.attempt.session.provider])
        process = await self._start(request, reader)
        head = await _git_head(request.project_path)
        # The prompt only now: a worker that was frozen since its claim may have lost the lease,
        # and whoever has it would have found and ended a process that is already marked.
        if await self._recorder.start(Start(self.attempt, process.pid, process.started, head)):
            process.send_input()
        else:
            self.stop("lease lost")
        exit = await process.wait()
        return observer.verdict(exit), exit.exit_code

    async def _abandon_process(self) -> None:
        """PokéCode failed while the agent ran: nothing of it may go on unseen."""
        if self._process is not None:
            self._process.stop("failed")
            with suppress(Exception):  # what went wrong is known already
                await self._process.wait()

    async def _start(
        self, request: Request, on_line: Callable[[bytes, bool], None]
    ) -> AgentProcess:
        directory = directories.open_project(request.project_path)
        try:
            process = await AgentProcess.start(
                self._agent.launch(request),
                directory,
                on_line,
                run_id=request.run_id,
                hold_input=True,
                timeout=settings.POKECODE_JOB_TIMEOUT,
                grace=settings.POKECODE_CANCEL_GRACE,
            )
        finally:
            os.close(directory)
        self._process = process
        if self._stop_reason is not None:
            process.stop(self._stop_reason, _grace(self._stop_reason))
        return process

    def _line_reader(
        self, observer: Observer, provider: ProviderEvents
    ) -> Callable[[bytes, bool], None]:
        meter = self._meter = provider.meter(self._plan.previous_usage)

        def on_line(raw: bytes, cut: bool) -> None:
            line = events.read_line(raw, cut=cut)
            if line.is_own:
                self._add(MessageType.ERROR, line.raw, None)
                return
            observer.observe(line.data)
            self._conversation = provider.session_id(line.data) or self._conversation
            self._add(provider.classify(line.data), line.raw, meter.count(line.data))

        return on_line

    async def _close(self, verdict: Verdict, exit_code: int | None) -> None:
        meter = self._meter
        report = RunReport(
            outcome=verdict.outcome,
            error=verdict.error,
            exit_code=exit_code,
            provider_session_id=self._conversation,
            usage=meter.usage if meter else None,
            raw_usage=meter.raw if meter else None,
            cost_usd=meter.cost_usd if meter else None,
            git_head_after=await _git_head(self.attempt.session.project_path),
        )
        self._explain(verdict)
        await self._recorder.end(ending(self.attempt, report, verdict))

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


async def _git_head(project: str) -> str | None:
    with suppress(OSError):  # what git says is good to know, and no reason to fail
        repository = git.find(project)
        if repository is not None and not repository.is_quick:
            return await asyncio.to_thread(repository.head)
        return repository.head() if repository else None
    return None


def _grace(reason: str) -> float:
    """Seconds between the steps that end an agent: it must be gone before others take over."""
    if reason == "lease lost":
        return min(settings.POKECODE_CANCEL_GRACE, settings.POKECODE_WORKER_TIMEOUT / 12)
    return float(settings.POKECODE_CANCEL_GRACE)


def ending(attempt: JobAttempt, report: RunReport, verdict: Verdict) -> Ending:
    """The verb for each outcome."""
    match verdict.outcome:
        case Outcome.SUCCEEDED:
            return Ending(attempt, report, End.COMPLETE)
        case Outcome.CANCELLED:
            return Ending(attempt, report, End.CANCEL)
        case Outcome.INTERRUPTED:
            return Ending(attempt, report, End.RELEASE)
        case Outcome.RATE_LIMITED:
            return Ending(attempt, report, End.DEFER, until=verdict.retry_at)
        case _:
            return Ending(attempt, report, End.FAIL, permanent=verdict.permanent)


def _failed_to_run(error: Exception, provider: str) -> Verdict:
    agent = AGENTS.get(provider)
    name = agent.name if agent else provider
    match error:
        case ValidationError():
            return Verdict(Outcome.FAILED, " ".join(error.messages), permanent=True)
        case FileNotFoundError():
            text = f"{name} is not installed on this host. {agent.install_hint if agent else ''}"
            return Verdict(Outcome.FAILED, text, permanent=True)
        case PermissionError():
            text = f"{name} may not be started: check the permissions of its program."
            return Verdict(Outcome.FAILED, text, permanent=True)
        case OSError():
            return Verdict(Outcome.FAILED, f"{name} cannot be started: {error.strerror}.")
        case _:
            logger.error("A run failed within PokéCode.", exc_info=error)
            return Verdict(Outcome.FAILED, "PokéCode itself failed here: see the worker's log.")
