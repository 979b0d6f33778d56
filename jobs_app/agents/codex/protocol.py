"""The words of `codex app-server`: JSON-RPC without its version, one object a line; measured with
0.169.0."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jobs_app.agents.base import Image, Send

Policy = str | dict[str, dict[str, bool]]

GRANULAR: Policy = {"granular": {"sandbox_approval": True, "rules": True, "mcp_elicitations": True}}
"""The least noisy policy that lets a person decide. Never `untrusted`: under it what a person has
allowed is run again outside the sandbox, silently, if it fails inside."""

ON_REQUEST: Policy = "on-request"
NEVER: Policy = "never"

CLIENT = {
    "clientInfo": {"name": "pokecode", "title": "PokéCode", "version": "0"},
    "capabilities": {"experimentalApi": True},
}

UNSUPPORTED = -32601
"""JSON-RPC's code for a method that there is not."""

REFUSED = -32000


def call(number: int, method: str, params: Mapping[str, Any]) -> Send:
    return _line({"id": number, "method": method, "params": params})


def notification(method: str) -> Send:
    return _line({"method": method})


def result(request: Any, value: Mapping[str, Any]) -> Send:
    return _line({"id": request, "result": value})


def error(request: Any, code: int, message: str) -> Send:
    return _line({"id": request, "error": {"code": code, "message": message}})


def text(words: str) -> list[dict[str, Any]]:
    """The input of a turn."""
    return [{"type": "text", "text": words}]


def pictures(images: Sequence[Image]) -> list[dict[str, Any]]:
    return [{"type": "localImage", "path": image.path} for image in images]


def _line(value: dict[str, Any]) -> Send:
    return Send(json.dumps(value).encode() + b"\n")
