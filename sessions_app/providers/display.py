"""From a stored message to what is shown of it."""

from sessions_app.providers import own, reading
from sessions_app.providers.events import clean, parse_stored
from sessions_app.providers.registry import PROVIDERS
from sessions_app.providers.shapes import Shape, Unknown


def display_message(provider: str, type: str, content_data: str, project_path: str) -> list[Shape]:
    """What to show of a stored message, in order.

    `type` is the message's type, which tells PokéCode's own events from an agent's imitation.
    Content that holds no object, an unknown event and an unknown provider give an Unknown with
    the raw text. Never raises, whatever the texts hold; [] only for an event that repeats what
    another one tells (its handler says so).
    """
    try:
        data = parse_stored(content_data)
        kind = reading.string(data, "kind")
        if own.is_own(type, kind):
            return reading.show(data, project_path, kind, own.SHOW)
        if data and provider in PROVIDERS:
            return PROVIDERS[provider].display(data, project_path)
    except RecursionError:  # nested too deeply for this depth of calls
        pass
    return [Unknown(type, clean(content_data))]
