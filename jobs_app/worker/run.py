"""One claimed job: prompt in, messages out, and an honest end."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from django.core.exceptions import ValidationError

from jobs_app.afterwards import failure_message, is_told_here
from jobs_app.agents import AGENTS
from jobs_app.agents.arguments import NotAConversation
from jobs_app.agents.base import Driver, Effect
from jobs_app.claiming import Claim
from jobs_app.leases import Ending, Start
from jobs_app.outcomes import CANCELLED, LOST, PARKED, TURN_STOPPED, Outcome, Verdict, timed_out
from jobs_app.processes.process import AgentProcess
from jobs_app.worker.dialogue import Dialogue
from jobs_app.worker.looking import News
from jobs_app.worker.overdue import Overdue
from jobs_app.worker.preparing import Prepared, git_head, prepare, remove_private_files
from jobs_app.worker.recorder import Recorder
from jobs_app.worker.settings import WorkerSettings
from jobs_app.worker.threads import ProjectThread
from jobs_app.worker.timelimit import TimeLimit
from sessions_app.models import MessageType
from sessions_app.providers import PROVIDERS, Meter, events
from sessions_app.transcript import NewMessage
from sessions_app.validation import sentences

HANG_PATIENCE = 1.0
"""Seconds that a stopped attempt waits for its process: after that the project's disk hangs."""

GIT_PATIENCE = 10.0
"""Seconds that the end of an attempt waits to read the project's commit."""

logger = logging.getLogger(__name__)


class Run:
    """One attempt from claim to close; `stop` may come at any moment of it."""

    def __init__(
        self,
        claim: Claim,
        recorder: Recorder,
        settings: WorkerSettings,
        project_thread: ProjectThread,
    ) -> None:
        self.attempt = claim.attempt
        self._claim = claim
        self._recorder = recorder
        self._settings = settings
        self._project_thread = project_thread
        self._meter: Meter | None = None
        self._stopped: Verdict | None = None
        self._preparing: asyncio.Future[Prepared] | None = None
        self._process: AgentProcess | None = None
        self._conversation: str | None = None
        self._dialogue: Dialogue | None = None
        self._is_interrupted = False
        self._patience = settings.request_wait
        self._overdue = Overdue(self._end_overdue)

    def stop(self, verdict: Verdict) -> None:
        """End the attempt with this verdict; the first one stays, a later call can hasten the end.

        An attempt that has just ended by itself was not stopped.
        """
        if self._process is not None and not self._stop_process(self._process, verdict):
            return
        self._stopped = self._stopped or verdict
        if self._preparing is not None:
            patience = min(HANG_PATIENCE, self._grace(verdict))
            asyncio.get_running_loop().call_later(patience, self._preparing.cancel)

    def _stop_process(self, process: AgentProcess, verdict: Verdict) -> bool:
        """The agent is asked to stop its turn, if it can be; signals follow."""
        is_asked = False
        if self._dialogue is not None and self._stopped is None:
            is_asked = self._dialogue.interrupt(is_last=True)
        return process.stop(self._grace(verdict), is_asked=is_asked)

    def hear(self, news: News) -> None:
        """What people have said to this attempt."""
        if news.is_cancelled:
            self.stop(CANCELLED)
        elif self._dialogue is None:
            if news.is_interrupted:  # before it has its prompt
                self.stop(TURN_STOPPED)
        else:
            self._dialogue.hear(news)
            if news.is_interrupted and not self._is_interrupted:
                self._is_interrupted = True
                if not self._dialogue.interrupt(is_last=False):
                    self.stop(TURN_STOPPED)

    def wait_for_nobody(self) -> None:
        """From now on an agent that waits for a person is ended; its job goes on after the
        answer."""
        self._patience = 0.0
        if self._dialogue is not None:
            self._dialogue.be_impatient()

    def _park(self) -> None:
        if self._dialogue is not None and self._dialogue.is_waiting:
            self.stop(PARKED)

    async def execute(self) -> None:
        """Run the agent and close the attempt, whatever goes wrong with the agent."""
        timeout = self._settings.job_timeout
        self._limit = TimeLimit(timeout, lambda: self.stop(timed_out(timeout)))
        try:
            verdict, exit_code = await self._drive()
        except Exception as error:
            await self._abandon_process()
            if self._dialogue is not None:
                await self._dialogue.finish(is_done=False)
            verdict, exit_code = self._failed_to_run(error), None
        finally:
            self._limit.pause()
            self._overdue.forget()
        remove_private_files(self._settings, self.attempt.pk)
        await self._close(verdict, exit_code)

    def _failed_to_run(self, error: Exception) -> Verdict:
        verdict = _failed_to_run(error, self.attempt.session.provider)
        if isinstance(error, NotAConversation):
            return replace(verdict, lost_conversation=self._claim.facts.conversation)
        return verdict

    async def _drive(self) -> tuple[Verdict, int | None]:
        """Start the agent, talk with it to its end, and judge."""
        prepared = await self._prepare()
        if prepared is None:
            return self._stopped or LOST, None
        driver = prepared.driver
        process = self._attach(prepared, self._line_reader(driver))
        # Send the prompt only now. If this worker froze after its claim, a rescuer may have closed
        # the attempt and killed the marked process; the check below keeps the prompt from it.
        start = Start(process.pid, process.started, prepared.git_head)
        if not await self._recorder.start(self.attempt, start):
            self.stop(LOST)
        elif self._stopped is None:
            self._begin_talk(driver, process)
        exit_code, stderr = await process.wait()
        verdict = self._judge(self._agents_verdict(driver, exit_code, stderr))
        if self._dialogue is not None:
            await self._dialogue.finish(is_done=verdict.outcome is Outcome.SUCCEEDED)
        return verdict, exit_code

    def _begin_talk(self, driver: Driver, process: AgentProcess) -> None:
        self._dialogue = Dialogue(
            self.attempt,
            driver,
            process,
            self._recorder,
            self._claim.facts.answered,
            patience=self._patience,
            limit=self._limit,
            on_wait_over=self._park,
            on_lost=lambda: self.stop(LOST),
            conversation=lambda: self._conversation,
        )
        self._dialogue.begin()

    def _agents_verdict(self, driver: Driver, exit_code: int, stderr: str) -> Verdict:
        """The agent's own verdict; an exit code that we caused because it stayed is not its own."""
        if not self._overdue.is_ended:
            return driver.verdict(exit_code, stderr)
        name = AGENTS[self.attempt.session.provider].name
        return replace(driver.verdict(0, stderr), note=self._overdue.note(name))

    async def _prepare(self) -> Prepared | None:
        """The agent's process, or None if the attempt was stopped before there was one."""
        if self._stopped is not None:
            return None
        self._preparing = self._project_thread.run(
            lambda: prepare(self._claim, self._settings, lambda: not self._is_given_up),
            discard=self._discard,
        )
        await asyncio.wait({self._preparing})
        return None if self._is_given_up else self._preparing.result()

    @property
    def _is_given_up(self) -> bool:
        """The project's disk hangs: the attempt is closed, and nothing of it may begin later."""
        return self._preparing is not None and self._preparing.cancelled()

    def _discard(self, prepared: Prepared) -> None:
        """End a process that came after the attempt had been given up: it never got its prompt."""
        process = self._attach(prepared, lambda line, cut: None)
        process.stop(0)
        _discarded.add(task := asyncio.ensure_future(self._clean_up(process)))
        task.add_done_callback(_discarded.discard)

    async def _clean_up(self, process: AgentProcess) -> None:
        await process.wait()
        remove_private_files(self._settings, self.attempt.pk)

    def _attach(self, prepared: Prepared, on_line: Callable[[bytes, bool], None]) -> AgentProcess:
        self._process = AgentProcess.attach(
            prepared.spawned,
            on_line,
            line_limit=events.LINE_LIMIT,
            backlog_directory=self._settings.data_directory,
            grace=self._settings.cancel_grace,
        )
        if self._stopped is not None:
            self._process.stop(self._grace(self._stopped))
        return self._process

    def _grace(self, verdict: Verdict) -> float:
        is_lost = verdict.outcome is Outcome.LOST
        return self._settings.lost_grace if is_lost else self._settings.cancel_grace

    def _judge(self, verdict: Verdict) -> Verdict:
        """The attempt's verdict: an agent that succeeded before it could be stopped has succeeded,
        unless the lease is lost."""
        stopped = self._stopped or (TURN_STOPPED if self._is_interrupted else None)
        if stopped is None:
            return verdict
        is_success = verdict.outcome is Outcome.SUCCEEDED
        return verdict if is_success and stopped.outcome is not Outcome.LOST else stopped

    async def _abandon_process(self) -> None:
        """PokéCode failed while the agent ran: none of its processes may live on unseen."""
        if self._process is not None:
            self._process.stop()
            with suppress(Exception):  # what went wrong is already known
                await self._process.wait()

    def _line_reader(self, driver: Driver) -> Callable[[bytes, bool], None]:
        provider = PROVIDERS[self.attempt.session.provider]
        meter = self._meter = provider.meter(self._claim.facts.previous_usage)

        def on_line(raw: bytes, cut: bool) -> None:
            line = events.read_line(raw, cut=cut)
            if line.is_own:
                self._add(MessageType.ERROR, line.raw, None)
                return
            self._conversation = provider.conversation_id(line.data) or self._conversation
            if driver.keeps(line.data):
                self._add(provider.classify(line.data), line.raw, meter.count(line.data))
            if not self._overdue.is_ended:  # what it says while it is ended undoes nothing
                self._perform(driver.observe(line.data, line.raw))
                self._overdue.update(driver.is_over)

        return on_line

    def _perform(self, effects: Sequence[Effect]) -> None:
        if self._dialogue is not None:  # it has its prompt; before that it wants nothing
            self._dialogue.perform(effects)

    def _end_overdue(self) -> bool:
        return self._stopped is None and self._process is not None and self._process.stop()

    async def _close(self, verdict: Verdict, exit_code: int | None) -> None:
        meter = self._meter
        ending = Ending(
            verdict,
            exit_code=exit_code,
            provider_session_id=self._conversation,
            usage=meter.usage if meter else None,
            raw_usage=meter.raw if meter else None,
            cost_usd=meter.cost_usd if meter else None,
            git_head=await self._git_head(),
        )
        self._explain(verdict)
        await self._recorder.end(self.attempt, ending)

    async def _git_head(self) -> str | None:
        if self._process is None:  # nothing ran, and the project's disk may be why
            return None
        head = self._project_thread.run(lambda: git_head(self.attempt.session.project_path))
        await asyncio.wait({head}, timeout=GIT_PATIENCE)
        return head.result() if head.done() else None

    def _explain(self, verdict: Verdict) -> None:
        """Say in the transcript how the attempt ended, unless it simply succeeded, or what
        follows tells it."""
        if verdict.outcome in (Outcome.CANCELLED, Outcome.INTERRUPTED, Outcome.PARKED):
            text = verdict.error or f"The attempt was {verdict.outcome}."
            self._add(MessageType.SYSTEM, events.notice(text).raw, None)
        elif verdict.outcome is Outcome.SUCCEEDED:
            if verdict.note:
                self._add(MessageType.SYSTEM, events.notice(verdict.note).raw, None)
        elif not is_told_here(verdict):
            text = verdict.error or "The agent failed without saying why."
            message = failure_message(self.attempt, text, verdict.detail)
            self._recorder.add(self.attempt, message)

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


_discarded: set[asyncio.Future[None]] = set()
"""Tasks that end processes; asyncio itself keeps no reference to them."""


def _failed_to_run(error: Exception, provider: str) -> Verdict:
    agent = AGENTS.get(provider)
    name = agent.name if agent else provider
    match error:
        case ValidationError():
            return Verdict(Outcome.FAILED, sentences(error), permanent=True)
        case FileNotFoundError():
            text = f"{name} is not installed on this host. {agent.install_hint if agent else ''}"
            return Verdict(Outcome.FAILED, text, permanent=True)
        case PermissionError():
            text = f"{name} cannot be started: its program is not executable for this user."
            return Verdict(Outcome.FAILED, text, permanent=True)
        case OSError():
            return Verdict(Outcome.FAILED, f"{name} cannot be started: {error.strerror}.")
        case _:
            logger.error("An attempt failed within PokéCode.", exc_info=error)
            return Verdict(Outcome.FAILED, "PokéCode itself failed here: see the worker's log.")
