"""The agents: one module a command-line tool, and what they share. No database here."""

from jobs_app.agents.base import Agent
from jobs_app.agents.claude import ClaudeAgent
from jobs_app.agents.codex import CodexAgent
from jobs_app.agents.environment import locate

AGENTS: dict[str, Agent] = {
    "claude-code": ClaudeAgent(),
    "codex-cli": CodexAgent(),
}


def find(agent: Agent) -> str | None:
    """The absolute path of an agent's program on this host, None if it is not installed."""
    return locate(agent.command())


__all__ = ["AGENTS", "Agent", "find"]
