"""The fake Codex as an app-server: as much of its protocol as the job processor speaks."""

import json
import os
import sys
import uuid


def first_turn():
    """The parameters with which the thread was opened, its id among them, and the prompt."""
    opened = {"threadId": ""}
    for line in sys.stdin.buffer:
        request = json.loads(line)
        params = request.get("params", {})
        match request["method"]:
            case "initialize":
                answer(request, {"userAgent": "fake"})
            case "config/read":
                answer(request, {"config": {}})
            case "thread/start" | "thread/resume":
                opened = {"threadId": str(uuid.uuid4()), **params}
                answer(request, {"thread": {"id": opened["threadId"]}, "cwd": os.getcwd()})
            case "turn/start":
                answer(request, {"turn": {"id": "turn", "status": "inProgress"}})
                return opened, "\n".join(part.get("text", "") for part in params["input"])
    sys.exit(0)  # nothing was asked of it, and nothing more comes


def answer(request, result):
    write({"id": request["id"], "result": result})


def stream(thread, text, usage):
    item = {"type": "agentMessage", "id": "msg_1", "text": text}
    used = {"inputTokens": usage[0], "outputTokens": usage[1], "totalTokens": sum(usage)}
    return [
        event("turn/started", thread, turn={"id": "turn", "status": "inProgress"}),
        event("item/completed", thread, item=item),
        event("thread/tokenUsage/updated", thread, tokenUsage={"total": used, "last": used}),
        ended(thread, "completed"),
    ]


def ended(thread, status):
    return event("turn/completed", thread, turn={"id": "turn", "status": status, "error": None})


def event(method, thread, **params):
    return {"method": method, "params": {"threadId": thread, "turnId": "turn", **params}}


def listen(on_interrupt):
    """Take what comes in the middle of the turn; a word is refused as too late."""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        match request.get("method"):
            case "turn/interrupt":
                on_interrupt(request)
            case "turn/steer":
                refusal = {"code": -32600, "message": "no active turn to steer"}
                write({"id": request["id"], "error": refusal})


def write(line):
    data = json.dumps(line).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]
