"""What an agent is told in a conversation that goes on from a person's answers."""

import json
from collections.abc import Sequence
from typing import Any

from jobs_app.agents.base import Decision


def resumed_prompt(decisions: Sequence[Decision]) -> str:
    """The answers in words; "" without any. An allowed call has to be made again: the process
    that waited to make it is gone."""
    if not decisions:
        return ""
    parts = [_told(decision) for decision in decisions]
    is_stopped = any(decision.answer["decision"] == "stop" for decision in decisions)
    then = "Stop here: do nothing more." if is_stopped else "Then go on with your work."
    return "\n\n".join([*parts, then])


def joined(chosen: Sequence[str]) -> str:
    """Several answers to one question as one text: where one holds a comma, no other may look
    like a part of it."""
    return ("; " if any("," in each for each in chosen) else ", ").join(chosen)


def _told(decision: Decision) -> str:
    asked, answer = decision.asked, decision.answer
    match asked.kind, answer["decision"]:
        case "question", "reply":
            return f"Your questions were answered:\n\n{_answers(answer['answers'])}"
        case "plan", "allow":
            return (
                "Your plan was approved. The session was resumed meanwhile: if you are still "
                "in plan mode, leave it with the same plan, which is approved at once."
            )
        case _, "allow":
            call = json.dumps(answer.get("input", asked.input), ensure_ascii=False)
            return (
                f"You asked whether you may use {asked.tool}, and the session was interrupted "
                "meanwhile. It is allowed. It has not run yet: make exactly this call again now, "
                f"unchanged:\n\n{call}"
            )
        case _:
            why = f": {answer['why']}" if answer.get("why") else "."
            return f"What you asked about ({asked.tool}) was denied{why}"


def _answers(answers: dict[str, Any]) -> str:
    return "\n".join(f"- {key}: {joined(chosen)}" for key, chosen in answers.items())
