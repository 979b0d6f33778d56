"""What people read of an answer that was given."""

from typing import Any

from jobs_app.models import Closed, JobRequest
from sessions_app.providers.asked import ACCEPT_EDITS, ASK_FOR_EDITS


def done(kind: str, given: dict[str, Any]) -> str:
    """What was done: "allowed this once"."""
    match given.get("decision"), kind:
        case "allow", "plan":
            mode = {
                ACCEPT_EDITS: ", and edits are accepted",
                ASK_FOR_EDITS: ", and asks for each edit",
            }
            return f"approved the plan{mode.get(str(given.get('mode')), '')}"
        case "allow", _:
            if "input" in given:
                return "allowed this, changed"
            return "allowed this for the session" if "rules" in given else "allowed this once"
        case "deny", "plan":
            return "sent the plan back"
        case "deny", _:
            return "denied this"
        case "stop", _:
            return "denied this and stopped the agent"
        case _:
            return "answered"


def fate(request: JobRequest) -> str:
    """What became of an answer after it was given, or of a request that has none; "" where there
    is no more to say than that the agent has heard it."""
    if request.answered_at is None:
        return CLOSED.get(str(request.closed_why), "")
    if request.closed_at is None:
        return "The agent has not heard it yet."
    return UNHEARD.get(str(request.closed_why), "")


UNHEARD = {
    Closed.WITHDRAWN.value: "The agent took its request back before it heard the answer.",
    Closed.RUN_ENDED.value: "The job ended before the agent acted on it.",
}

CLOSED = {
    Closed.WITHDRAWN.value: "The agent took this back before anybody answered.",
    Closed.RUN_ENDED.value: "The job ended before anybody answered.",
}
