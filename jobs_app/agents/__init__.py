"""The agents: one module a command-line tool, and what they share. No database here."""

from jobs_app.agents.base import Agent
from jobs_app.agents.claude import ClaudeAgent
from jobs_app.agents.codex import CodexAgent

AGENTS: dict[str, Agent] = {
    "claude-code": ClaudeAgent(),
    "codex-cli": CodexAgent(),
}

__all__ = ["AGENTS", "Agent"]
