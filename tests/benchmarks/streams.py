"""What the benchmarks' agents print: files of lines as Claude Code writes them."""

import json
from pathlib import Path

PIECE_EVERY = 10
"""Messages between two pieces of text that only a draft shows: at the speed of a burst each run's
draft is replaced as often as it may be."""

RESULT = {"type": "result", "subtype": "success", "is_error": False, "result": "Done."}


def write(path: Path, lines: int, size: int = 1024) -> Path:
    """A successful run of so many lines, each of `size` bytes with its newline but the last."""
    with path.open("w") as file:
        file.writelines(_line(number, size) for number in range(lines - 1))
        file.write(json.dumps(RESULT) + "\n")
    return path


def write_with_drafts(path: Path, lines: int) -> Path:
    """The same with pieces of what is being written among the lines, which are not stored."""
    with path.open("w") as file:
        for number in range(lines - 1):
            if number % PIECE_EVERY == 0:
                file.write(_piece(number))
            file.write(_line(number, 1024))
        file.write(json.dumps(RESULT) + "\n")
    return path


def is_piece(line: str) -> bool:
    return line.startswith('{"type": "stream_event"')


def _piece(number: int) -> str:
    delta = {"type": "text_delta", "text": f"This is message {number}. "}
    event = {"type": "content_block_delta", "index": 0, "delta": delta}
    whole = {"type": "stream_event", "event": event, "parent_tool_use_id": None}
    return json.dumps(whole) + "\n"


def _line(number: int, size: int) -> str:
    block = {"type": "text", "text": f"This is message {number}. "}
    message = {"id": f"msg_{number:012}", "role": "assistant", "content": [block]}
    event = {"type": "assistant", "message": message, "parent_tool_use_id": None}
    missing = size - 1 - len(json.dumps(event))
    block["text"] += "x" * missing
    return json.dumps(event) + "\n"
