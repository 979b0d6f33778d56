"""A person's answer: as the app-server is given it, and as the model is told of it later."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobs_app.agents.base import Decision, Send
from jobs_app.agents.codex import protocol
from sessions_app.providers import Asked
from sessions_app.providers.codex_requests import without_shell


def response(request: Any, asked: Asked, answer: Mapping[str, Any]) -> Send:
    """To the request with this id; see `jobs_app.answers` for the form of the answer."""
    if answer["decision"] == "reply":
        replies = {key: {"answers": chosen} for key, chosen in answer["answers"].items()}
        return protocol.result(request, {"answers": replies})
    if asked.kind == "question":
        return protocol.error(request, protocol.REFUSED, "The person does not answer this.")
    return protocol.result(request, {"decision": _decision(answer)})


def _decision(answer: Mapping[str, Any]) -> str:
    match answer["decision"]:
        case "allow":
            return "acceptForSession" if "rules" in answer else "accept"
        case "stop":
            return "cancel"
        case _:
            return "decline"


def in_words(decision: Decision) -> Decision:
    """As the model knows it: its call without the shell, which the tool itself adds, and its
    questions by their texts."""
    asked, answer = decision.asked, decision.answer
    if isinstance(command := asked.input.get("command"), str):
        called = {**asked.input, "command": without_shell(command)}
        return replace(decision, asked=asked.changed(called))
    if answer["decision"] == "reply":
        texts = {question.key: question.text for question in asked.questions}
        replies = {texts.get(key, key): chosen for key, chosen in answer["answers"].items()}
        return replace(decision, answer={**answer, "answers": replies})
    return decision
