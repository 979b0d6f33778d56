"""An agent that does nothing, within the worker's process: all else of a run is as in life."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self
from unittest import mock

from jobs_app.agents import AGENTS
from jobs_app.agents.base import Turn
from jobs_app.outcomes import Outcome, Verdict
from jobs_app.processes.spawning import Command


class NullProcess:
    pid = 1
    started = 0

    @classmethod
    def attach(cls, *_arguments: object, **_options: object) -> Self:
        return cls()

    def stop(self, grace: float | None = None) -> bool:
        return True

    def send_input(self) -> None:
        pass

    async def wait(self) -> tuple[int, str]:
        return 0, ""


class NullAgent:
    name = "Null"
    install_hint = ""

    def command(self) -> Sequence[str]:
        return []

    def launch(self, turn: Turn) -> Command:
        return Command([], {}, b"")

    def observer(self, turn: Turn) -> "NullAgent":
        return self

    def observe(self, data: dict[str, Any]) -> None:
        pass

    def verdict(self, exit_code: int, stderr: str) -> Verdict:
        return Verdict(Outcome.SUCCEEDED)


@contextmanager
def installed() -> Iterator[None]:
    """A block in which every run of this process is of the null agent."""
    agents = dict.fromkeys(AGENTS, NullAgent())
    with (
        mock.patch.multiple("jobs_app.worker.run", AgentProcess=NullProcess, AGENTS=agents),
        mock.patch.multiple("jobs_app.worker.preparing", spawn=mock.Mock(), AGENTS=agents),
    ):
        yield
