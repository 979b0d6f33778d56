"""Claude Code: `agent` starts it, `talk` talks with it in `lines`, `judge` judges its end; one
whose `version` is too old runs one way."""

from jobs_app.agents.claude.agent import ClaudeAgent

__all__ = ["ClaudeAgent"]
