"""One attempt's talk with people: what its agent asks, and what it is answered and told.

The driver says what is to be done and knows nothing of people; this does it. Whatever a person
has to see or has said is stored first, behind the attempt's fence: a question is lost by no
crash, and no answer is used twice.
"""

import asyncio
from collections.abc import Callable, Container, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from jobs_app.agents.base import (
    Ask,
    CloseInput,
    Driver,
    Effect,
    Heard,
    Send,
    Unheard,
    Withdraw,
    Writing,
)
from jobs_app.models import Closed, JobAttempt, JobRequest, JobSteer, RequestKind
from jobs_app.talk import Asking, Closing, Hearing, Reopening, Talk, Telling
from jobs_app.worker.drafts import Drafts
from jobs_app.worker.looking import News
from jobs_app.worker.recorder import Recorder, RecorderStopped
from jobs_app.worker.timelimit import TimeLimit
from sessions_app.providers import Asked
from sessions_app.validation import printable

NAME_LIMIT = 200
"""Characters of a tool's name or a call's id that are kept beside the request itself."""


KINDS_HEARD_AT_THE_END = (RequestKind.PLAN,)
"""A plan that was approved is carried out without being asked about again."""


class Input(Protocol):
    """The agent's standard input."""

    def write(self, data: bytes) -> None: ...

    def close_input(self) -> None: ...

    @property
    def is_open(self) -> bool:
        """Whether there is still somebody to read it."""


class Dialogue:
    """Its methods are called in the event loop. `on_wait_over` is called when nobody has answered
    for `patience` seconds, `on_lost` when the attempt's lease is lost or nothing can be stored."""

    def __init__(
        self,
        attempt: JobAttempt,
        driver: Driver,
        input: Input,
        recorder: Recorder,
        answered: Sequence[JobRequest],
        *,
        patience: float,
        limit: TimeLimit,
        on_wait_over: Callable[[], None],
        on_lost: Callable[[], None],
        conversation: Callable[[], str | None],
    ) -> None:
        self._attempt = attempt
        self._driver = driver
        self._input = input
        self._recorder = recorder
        self._decided = list(answered)
        self._patience = patience
        self._limit = limit
        self._on_wait_over = on_wait_over
        self._on_lost = on_lost
        self._conversation = conversation
        self._open: dict[str, tuple[JobRequest, Asked]] = {}
        self._told: dict[str, JobSteer] = {}
        self._drafts = Drafts(partial(recorder.draft, attempt))
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = self._is_stopping = False

    @property
    def is_waiting(self) -> bool:
        """Whether the agent waits for a person."""
        return bool(self._open)

    def begin(self) -> None:
        """Give the agent its prompt, or the answers to what it asked before."""
        self.perform(self._driver.begin())

    def interrupt(self, *, is_last: bool) -> bool:
        """Ask the agent to stop its turn, unless an answer on its way does; False if it can only
        be signalled."""
        if is_last:
            self._end()
        elif self._is_stopping:
            return True
        effects = self._driver.interrupt(is_last=is_last)
        self.perform(effects or ())
        return effects is not None

    async def finish(self, *, is_done: bool) -> None:
        """The agent has exited: returns once all that was said is stored. `is_done` says that it
        has done its work, and so has heard all that it was told."""
        self._end()
        await asyncio.gather(*self._tasks, return_exceptions=True)  # the recorder has told it
        if is_done:
            self._close_heard(KINDS_HEARD_AT_THE_END)

    def _end(self) -> None:
        """It is asked and told nothing more, and what it takes back from now on is still open."""
        self._is_over = True
        self._drafts.end()
        self._stop_waiting()

    def be_impatient(self) -> None:
        """From now on nobody waits for a person."""
        self._patience = 0.0
        if self._open:
            self._start_waiting()

    def hear(self, news: News) -> None:
        """What people have said meanwhile. The same may come again until it is stored."""
        if not self._goes_on:
            return
        for request in news.answered:
            if request.pk in self._open:
                _, asked = self._open.pop(request.pk)
                self._is_stopping |= request.given["decision"] == "stop"
                self._go_on_if_answered()
                self._keep(self._hand_over(request, asked))
        for steer in news.told:
            if steer.pk not in self._told:
                self._told[steer.pk] = steer
                self._keep(self._tell(steer))

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the driver wants done."""
        for effect in effects:
            match effect:
                case Send(data):
                    self._input.write(data)
                case CloseInput():
                    self._input.close_input()
                case Writing(piece):
                    self._drafts.add(piece) if piece and not self._is_over else self._drafts.end()
                case Ask() if not self._is_over:
                    self._ask(effect)
                case Withdraw(id) if not self._is_over:
                    self._withdraw(id)
                case Heard(id):
                    self._recorder.note(self._attempt, Hearing(self._told[id]))
                case Unheard():
                    pass  # it becomes a prompt of its own when the attempt ends

    # --- what the agent asks ----------------------------------------------------

    def _ask(self, ask: Ask) -> None:
        if (decided := self._decision_on(ask.asked)) is not None:
            self._keep(self._hand_over(decided, ask.asked))
            return
        self._close_heard()
        request = self._row(ask)
        self._open[request.pk] = (request, ask.asked)
        self._recorder.note(self._attempt, Asking(request))
        self._limit.pause()
        self._start_waiting()

    def _close_heard(self, allowed: Container[str] = ()) -> None:
        """An agent that goes on has heard the answers that it was given in words. Until then they
        are told again after a crash, which does no harm; a call is allowed once. What is allowed
        of these kinds is over, too."""
        heard = [
            each
            for each in self._decided
            if each.given["decision"] != "allow" or each.kind in allowed
        ]
        if heard:
            self._decided = [each for each in self._decided if each not in heard]
            self._recorder.note(self._attempt, Closing(heard, Closed.ANSWERED))

    def _decision_on(self, asked: Asked) -> JobRequest | None:
        """What was answered to the same call in an earlier attempt: good for one call."""
        for request in self._decided:
            if asked.what_runs in _calls(request):
                self._decided.remove(request)
                return request
        return None

    def _row(self, ask: Ask) -> JobRequest:
        return JobRequest(
            attempt=self._attempt,
            job_id=self._attempt.job_id,
            session=self._attempt.session,
            kind=ask.asked.kind,
            # A database cannot hold all that a name in JSON can.
            tool=printable(ask.asked.tool, NAME_LIMIT),
            call_id=ask.asked.call_id and printable(ask.asked.call_id, NAME_LIMIT),
            content_data=ask.line,
            call_data=ask.call,
            provider_session_id=self._conversation(),
        )

    def _withdraw(self, id: str) -> None:
        gone = [request for request, asked in self._open.values() if asked.id == id]
        for request in gone:
            del self._open[request.pk]
            self._recorder.note(self._attempt, Closing([request], Closed.WITHDRAWN))
        self._go_on_if_answered()

    def _start_waiting(self) -> None:
        """Anew with each request and each answer: somebody is there."""
        self._stop_waiting()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._patience, self._on_wait_over)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on_if_answered(self) -> None:
        if self._open:
            self._start_waiting()
        else:
            self._limit.go_on()
            self._stop_waiting()

    async def _hand_over(self, request: JobRequest, asked: Asked) -> None:
        if not await self._store(Closing([request], Closed.ANSWERED)):
            return
        if self._goes_on:
            self.perform(self._driver.answer(asked, request.given))
        else:  # meanwhile it has ended: the next attempt uses the answer
            self._recorder.note(self._attempt, Reopening(request))

    # --- what the agent is told --------------------------------------------------

    async def _tell(self, steer: JobSteer) -> None:
        if await self._store(Telling(steer)) and self._goes_on:
            self.perform(self._driver.tell(steer.pk, steer.text))

    @property
    def _goes_on(self) -> bool:
        return not self._is_over and self._input.is_open

    async def _store(self, item: Talk) -> bool:
        """Whether it is stored."""
        try:
            is_stored = await self._recorder.stored(self._attempt, item)
        except RecorderStopped:  # the worker ends, and the attempt is rescued
            return False
        except Exception:  # the recorder has logged it; an agent must not wait for it for ever
            is_stored = False
        if not is_stored:
            self._on_lost()
        return is_stored

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _calls(request: JobRequest) -> set[str]:
    """The calls that an answer is about: as it was asked, and as a person has changed it."""
    asked, changed = request.asked, request.given.get("input")
    return {asked.what_runs} | ({asked.changed(changed).what_runs} if changed else set())
