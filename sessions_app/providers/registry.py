"""The providers by the name that sessions and messages give them."""

from sessions_app.providers import events
from sessions_app.providers.asked import Asked
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


def read_request(provider: str, raw: str, call: str | None) -> Asked:
    """A stored request. One that was changed behind our back asks a permission for nothing."""
    data, call_data = events.parse_stored(raw), events.parse_stored(call or "{}")
    asked = PROVIDERS[provider].read_request(data, call_data) if provider in PROVIDERS else None
    return asked or Asked("null", "permission", "?")
