"""As much of the Messages API as Claude Code needs."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from tests.fakes.model_script import SHELL, Call, Reply

ERRORS = {
    400: ("invalid_request_error", "The request is wrong."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Not allowed."),
    404: ("not_found_error", "model: no such model"),
    429: ("rate_limit_error", "Too many requests."),
    529: ("overloaded_error", "Overloaded"),
}


def conversation(body: dict[str, Any]) -> tuple[str, str | None]:
    """What was said last, and the tool result that it came with, if it came with one."""
    since = itertools.takewhile(lambda each: each["role"] != "assistant", body["messages"][::-1])
    blocks = [block for message in [*since][::-1] for block in _blocks(message)]
    results = [_text(block) for block in blocks if block["type"] == "tool_result"]
    said = "\n".join(block["text"] for block in blocks if block["type"] == "text")
    return said, results[-1] if results else None


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(block: dict[str, Any]) -> str:
    content = block.get("content", "")
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def error(status: int) -> dict[str, Any]:
    kind, message = ERRORS.get(status, ("api_error", "The server failed."))
    return {"type": "error", "error": {"type": kind, "message": message}}


def whole(reply: Reply) -> dict[str, Any]:
    calls = [{**_tool_use(reply, n), "input": _input(c)} for n, c in enumerate(reply.calls)]
    content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}, *calls]
    return {
        **_message(reply),
        "content": content,
        "stop_reason": _stop_reason(reply),
        "usage": _usage(reply, reply.output_tokens),
    }


def stream(reply: Reply, words: Iterator[str]) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": {**_message(reply), "usage": _usage(reply, 1)}}
    yield from _block(0, {"type": "text", "text": ""}, ("text_delta", "text"), words)
    for number, call in enumerate(reply.calls):
        kind = ("input_json_delta", "partial_json")
        start = {**_tool_use(reply, number), "input": {}}
        yield from _block(1 + number, start, kind, iter([json.dumps(_input(call))]))
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": _stop_reason(reply), "stop_sequence": None},
        "usage": {"output_tokens": reply.output_tokens},
    }
    yield {"type": "message_stop"}


def _block(
    index: int, start: dict[str, Any], kind: tuple[str, str], pieces: Iterator[str]
) -> Iterator[dict[str, Any]]:
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for piece in pieces:
        delta = {"type": kind[0], kind[1]: piece}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _message(reply: Reply) -> dict[str, Any]:
    return {
        "id": f"msg_{reply.number:06}",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _tool_use(reply: Reply, number: int) -> dict[str, Any]:
    name = reply.calls[number].tool
    name = "Bash" if name == SHELL else name
    return {"type": "tool_use", "id": f"toolu_{reply.number:06}_{number}", "name": name}


def _input(call: Call) -> dict[str, Any]:
    return {**call.input, "description": "as asked"} if call.tool == SHELL else call.input


def _stop_reason(reply: Reply) -> str:
    return "tool_use" if reply.calls else "end_turn"


def _usage(reply: Reply, output_tokens: int) -> dict[str, int]:
    return {
        "input_tokens": reply.fresh_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": reply.cached_tokens,
        "output_tokens": output_tokens,
    }
