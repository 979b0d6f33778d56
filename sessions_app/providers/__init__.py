"""What each provider's events mean: pure functions, no database.

One module for each provider, one lookup table. `events` reads a line of output,
`shapes` are the typed forms that pages and terminals show.
"""

from sessions_app.providers.asked import Asked, Choice, Question
from sessions_app.providers.base import Meter, ProviderEvents, Usage
from sessions_app.providers.display import display_message
from sessions_app.providers.registry import PROVIDERS, read_request, state_directory

__all__ = [
    "PROVIDERS",
    "Asked",
    "Choice",
    "Meter",
    "ProviderEvents",
    "Question",
    "Usage",
    "display_message",
    "read_request",
    "state_directory",
]
