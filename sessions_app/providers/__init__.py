"""What each provider's events mean: pure functions, no database.

One module a provider, one lookup table. `events` reads a line of output,
`shapes` are the typed forms that pages and terminals show.
"""

from sessions_app.providers.base import Meter, ProviderEvents, Usage
from sessions_app.providers.claude import ClaudeEvents
from sessions_app.providers.codex import CodexEvents

PROVIDERS: dict[str, ProviderEvents] = {
    "claude-code": ClaudeEvents(),
    "codex-cli": CodexEvents(),
}

__all__ = ["PROVIDERS", "Meter", "ProviderEvents", "Usage", "state_directory"]


def state_directory(provider: str, project_path: str) -> str:
    """Where the provider's command-line tool keeps its own files of this project."""
    return PROVIDERS[provider].state_directory(project_path)
