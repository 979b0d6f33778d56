"""Claude Code's events, as `claude -p --output-format stream-json --verbose` prints them.

Measured with claude 2.1.330 and 2.1.197.
"""

import os
import re
from typing import Any

from sessions_app.providers import claude_requests
from sessions_app.providers.asked import Asked
from sessions_app.providers.base import Meter
from sessions_app.providers.claude_display import EVENTS, is_api_error
from sessions_app.providers.claude_meter import ClaudeMeter
from sessions_app.providers.own import is_imitation
from sessions_app.providers.reading import session_id, show, type_of
from sessions_app.providers.shapes import Shape


class ClaudeEvents:
    """See `base.ProviderEvents`."""

    label = "Claude"

    def classify(self, data: dict[str, Any]) -> str:
        if is_imitation(data):
            return "assistant"
        match type_of(data):
            case "assistant":
                return "error" if is_api_error(data) else "assistant"
            case "user":
                return "user"
            case "result":
                return "error" if data.get("is_error") else "result"
            case _:
                return "system"

    def conversation_id(self, data: dict[str, Any]) -> str | None:
        return session_id(data.get("session_id"))

    def meter(self, previous_raw: Any = None) -> Meter:
        """A run's own figures are not cumulative, so the run before does not matter."""
        return ClaudeMeter()

    def display(self, data: dict[str, Any], project_path: str) -> list[Shape]:
        return show(data, project_path, type_of(data), EVENTS)

    def read_request(self, data: dict[str, Any], call: dict[str, Any]) -> Asked | None:
        return claude_requests.read_request(data)

    def state_directory(self, project_path: str) -> str:
        home = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.expanduser("~/.claude")
        return os.path.join(home, "projects", re.sub(r"[^A-Za-z0-9]", "-", project_path))
