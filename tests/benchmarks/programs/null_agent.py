"""An agent that does nothing, within the worker's process: all else of a run is as in life."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self
from unittest import mock

from jobs_app.agents import AGENTS
from jobs_app.agents.base import Effect, Launch, Turn
from jobs_app.outcomes import Outcome, Verdict
from jobs_app.processes.spawning import Command
from sessions_app.providers import Asked


class NullProcess:
    pid = 1
    started = 0
    is_open = True

    @classmethod
    def attach(cls, *_arguments: object, **_options: object) -> Self:
        return cls()

    def stop(self, grace: float | None = None, *, is_asked: bool = False) -> bool:
        return True

    def write(self, data: bytes) -> None:
        pass

    def close_input(self) -> None:
        pass

    async def wait(self) -> tuple[int, str]:
        return 0, ""


class NullDriver:
    is_over = True

    def begin(self) -> Sequence[Effect]:
        return ()

    def observe(self, data: dict[str, Any], raw: str) -> Sequence[Effect]:
        return ()

    def keeps(self, data: dict[str, Any]) -> bool:
        return True

    def answer(self, asked: Asked, answer: Mapping[str, Any]) -> Sequence[Effect]:
        return ()

    def tell(self, id: str, text: str) -> Sequence[Effect]:
        return ()

    def interrupt(self, *, is_last: bool) -> Sequence[Effect] | None:
        return None

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        return Verdict(Outcome.SUCCEEDED)


class NullAgent:
    name = "Null"
    install_hint = ""

    def command(self) -> Sequence[str]:
        return []

    def launch(self, turn: Turn) -> Launch:
        return Launch(Command([], {}), NullDriver())


@contextmanager
def installed() -> Iterator[None]:
    """A block in which every run of this process is of the null agent."""
    agents = dict.fromkeys(AGENTS, NullAgent())
    with (
        mock.patch.multiple("jobs_app.worker.run", AgentProcess=NullProcess, AGENTS=agents),
        mock.patch.multiple("jobs_app.worker.preparing", spawn=mock.Mock(), AGENTS=agents),
    ):
        yield
