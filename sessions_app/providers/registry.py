"""The providers by the name that sessions and messages give them."""

from sessions_app.providers.base import ProviderEvents
from sessions_app.providers.claude import ClaudeEvents
from sessions_app.providers.codex import CodexEvents

PROVIDERS: dict[str, ProviderEvents] = {
    "claude-code": ClaudeEvents(),
    "codex-cli": CodexEvents(),
}


def state_directory(provider: str, project_path: str) -> str:
    """Where the provider's command-line tool keeps its own files of this project."""
    return PROVIDERS[provider].state_directory(project_path)
