"""An agent that does nothing, within the worker's process: all else of a run is as in life."""

from collections.abc import Sequence
from typing import Any, Self

from jobs_app import executor
from jobs_app.agents.base import Exit, Launch, Request, Verdict
from jobs_app.models import Outcome


class NullProcess:
    pid = 1
    started = 0

    @classmethod
    async def start(cls, *_arguments: object, **_options: object) -> Self:
        return cls()

    def stop(self, reason: str) -> None:
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


def install() -> None:
    """Let every run of this process be of the null agent."""
    executor.AGENTS = dict.fromkeys(executor.AGENTS, NullAgent())
    executor.AgentProcess = NullProcess  # type: ignore[assignment, misc]
