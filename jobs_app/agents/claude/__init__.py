"""Claude Code: `agent` starts it, `talk` talks with it, `judge` judges its end."""

from jobs_app.agents.claude.agent import ClaudeAgent

__all__ = ["ClaudeAgent"]
