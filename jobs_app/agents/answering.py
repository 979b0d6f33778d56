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
    return "\n\n".join([*parts, "Then go on with your work."])


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
            call = json.dumps(answer.get("input") or asked.input, ensure_ascii=False)
            return (
                f"You asked whether you may use {asked.tool}, and the session was interrupted "
                "meanwhile. It is allowed. It has not run yet: make exactly this call again now, "
                f"unchanged:\n\n{call}"
            )
        case _:
            why = f": {answer['why']}" if answer.get("why") else "."
            return f"What you asked about ({asked.tool}) was denied{why}"


def _answers(answers: dict[str, Any]) -> str:
    return "\n".join(f"- {key}: {', '.join(chosen)}" for key, chosen in answers.items())
