"""Codex: `agent` starts it, `talk` talks with it, `judge` judges its end."""

from jobs_app.agents.codex.agent import CodexAgent

__all__ = ["CodexAgent"]
