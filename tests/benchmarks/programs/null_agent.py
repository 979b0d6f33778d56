"""An agent that does nothing, inside the worker's process: everything else in a run is real."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Self
from unittest import mock

from jobs_app.agents import AGENTS
from jobs_app.agents.base import Exit, Launch, Request, Verdict
from jobs_app.outcomes import Outcome


class NullProcess:
    pid = 1
    started = 0

    @classmethod
    async def start(cls, *_arguments: object, **_options: object) -> Self:
        return cls()

    def stop(self, reason: str) -> None:
        pass

    def send_input(self) -> None:
        pass

    async def wait(self) -> Exit:
        return Exit(0)


class NullAgent:
    name = "Null"
    install_hint = ""

    def command(self) -> Sequence[str]:
        return []

    def launch(self, request: Request) -> Launch:
        return Launch([], {}, b"")

    def observer(self, request: Request) -> "NullAgent":
        return self

    def observe(self, data: dict[str, Any]) -> None:
        pass

    def verdict(self, exit: Exit) -> Verdict:
        return Verdict(Outcome.SUCCEEDED)


def installed() -> AbstractContextManager[Any]:
    """A block in which every run of this process is of the null agent."""
    agents = dict.fromkeys(AGENTS, NullAgent())
    return mock.patch.multiple("jobs_app.worker.run", AgentProcess=NullProcess, AGENTS=agents)
