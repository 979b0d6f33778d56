"""As much of the Responses API as Codex needs."""

import json
from collections.abc import Iterator
from typing import Any

from tests.fakes.model_script import Call, Reply

ERRORS = {
    400: ("invalid_request_error", "The request is wrong."),
    401: ("invalid_request_error", "Incorrect API key provided."),
    404: ("invalid_request_error", "The model does not exist or you do not have access to it."),
    429: ("rate_limit_exceeded", "Too many requests."),
}

WAIT = {"yield_time_ms": 10000}
OUTSIDE = {"sandbox_permissions": "require_escalated", "justification": "It must run outside."}


def conversation(body: dict[str, Any]) -> tuple[str, str | None]:
    """What was said last, and the tool result that the model is to answer if that came last."""
    items = body["input"]
    prompts = [_text(item["content"]) for item in items if item.get("role") == "user"]
    last = items[-1]
    is_result = str(last.get("type")).endswith("_call_output")
    return ("", _text(last["output"])) if is_result else (prompts[-1], None)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def error(status: int) -> dict[str, Any]:
    kind, message = ERRORS.get(status, ("server_error", "The server failed."))
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def whole(reply: Reply) -> dict[str, Any]:
    return _response(reply, status="completed", output=_output(reply, reply.text))


def stream(reply: Reply, words: Iterator[str]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": _response(reply, status="in_progress")}
    said = []
    yield {"type": "response.output_item.added", "output_index": 0, "item": _said(reply, "")}
    for word in words:
        said.append(word)
        yield {
            "type": "response.output_text.delta",
            "item_id": _said(reply, "")["id"],
            "output_index": 0,
            "content_index": 0,
            "delta": word,
        }
    output = _output(reply, "".join(said))
    for index, item in enumerate(output):
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {
        "type": "response.completed",
        "response": _response(reply, status="completed", output=output),
    }


def _output(reply: Reply, text: str) -> list[dict[str, Any]]:
    calls = [_function_call(reply, number, call) for number, call in enumerate(reply.calls)]
    return [_said(reply, text), *calls]


def _function_call(reply: Reply, number: int, call: Call) -> dict[str, Any]:
    name, arguments = _as_codex_calls(call)
    is_text = isinstance(arguments, str)
    given = {"input": arguments} if is_text else {"arguments": json.dumps(arguments)}
    return {
        "type": "custom_tool_call" if is_text else "function_call",
        "id": f"fc_{reply.number:06}_{number}",
        "call_id": f"call_{reply.number:06}_{number}",
        "name": name,
        **given,
        "status": "completed",
    }


def _as_codex_calls(call: Call) -> tuple[str, Any]:
    """A call by Codex's own name: that of the shell, and those that it is told to make again."""
    match call.tool:
        case "RUN":
            return "exec_command", {"cmd": call.input["command"], **WAIT}
        case "Shell":
            return "exec_command", {"cmd": call.input["command"], **WAIT, **OUTSIDE}
        case "Patch":
            return "apply_patch", _patch(call.input["changes"])
        case "apply_patch":
            return call.tool, call.input["patch"]
        case _:
            return call.tool, call.input


def _patch(changes: list[dict[str, Any]]) -> str:
    """New files only."""
    added = [
        f"*** Add File: {change['path']}\n" + "".join(f"+{line}\n" for line in lines)
        for change in changes
        for lines in [change["diff"].splitlines()]
    ]
    return f"*** Begin Patch\n{''.join(added)}*** End Patch\n"


def _said(reply: Reply, text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": f"msg_{reply.number:06}",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def _response(reply: Reply, *, status: str, output: Any = ()) -> dict[str, Any]:
    return {
        "id": f"resp_{reply.number:06}",
        "object": "response",
        "status": status,
        "model": "gpt-test",
        "output": list(output),
        "usage": {
            "input_tokens": reply.input_tokens,
            "input_tokens_details": {"cached_tokens": reply.cached_tokens},
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": reply.input_tokens + reply.output_tokens,
        },
    }
