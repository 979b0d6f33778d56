"""What the benchmarks' agents print: files of lines as Claude Code writes them."""

import json
from pathlib import Path

RESULT = {"type": "result", "subtype": "success", "is_error": False, "result": "Done."}


def write(path: Path, lines: int, size: int = 1024) -> Path:
    """A successful run of so many lines, each of `size` bytes with its newline but the last."""
    with path.open("w") as file:
        file.writelines(_line(number, size) for number in range(lines - 1))
        file.write(json.dumps(RESULT) + "\n")
    return path


def _line(number: int, size: int) -> str:
    block = {"type": "text", "text": f"This is message {number}. "}
    message = {"id": f"msg_{number:012}", "role": "assistant", "content": [block]}
    event = {"type": "assistant", "message": message, "parent_tool_use_id": None}
    missing = size - 1 - len(json.dumps(event))
    block["text"] += "x" * missing
    return json.dumps(event) + "\n"
