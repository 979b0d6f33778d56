"""A fake Claude Code that is talked to: `python talker.py …`, for tests of what pages show of it.

The prompt holds `TALK [...]`, a JSON list of steps, one after the other:

    "text"            write this, as one piece of the message
    {"wait": path}    wait until the path exists
    {"repeat": n}     write "word 0 ", "word 1 ", …
    "/read"           wait for something that is told, and read it: its receipt is printed
    "/say"            the message is whole: it is printed
    "/leave"          end the turn and exit, whatever was told meanwhile

Then the turn ends. What was told and not read has a turn of its own, and the fake exits when it
is asked to end the session. Interrupted, it writes the time to the path `$PWD/interrupted` and
ends the turn. Its protocol is that of claude 2.1.330.
"""

import json
import os
import sys
import threading
import time
import uuid
from pathlib import Path

SESSION = str(uuid.uuid4())
PAUSE = 0.05


def main() -> None:
    talker = Talker()
    prompt = json.loads(sys.stdin.readline())["message"]["content"]
    threading.Thread(target=talker.listen, daemon=True).start()
    talker.work(json.JSONDecoder().raw_decode(prompt.partition("TALK ")[2])[0])
    talker.ended.wait()


class Talker:
    def __init__(self):
        self.text = ""
        self.told = []
        self.ended = threading.Event()
        self.interrupted = threading.Event()

    def listen(self):
        for line in sys.stdin:
            event = json.loads(line)
            if event["type"] == "user":
                self.told.append(event["uuid"])
            elif event.get("request", {}).get("subtype") == "interrupt":
                Path("interrupted").write_text(repr(time.time()))
                self.interrupted.set()
            elif event.get("request", {}).get("subtype") == "end_session":
                os._exit(0)

    def work(self, steps):
        write(type="system", subtype="init", cwd=os.getcwd(), model="fake")
        for step in steps:
            self.do(step)
            if self.interrupted.is_set():
                end_turn(subtype="error_during_execution", is_error=True)
                break
        else:
            end_turn(subtype="success", is_error=False, result=self.text)
        while self.told:
            self.do("/read")
            end_turn(subtype="success", is_error=False, result="")

    def do(self, step):
        match step:
            case "/read":
                while not self.told and not self.interrupted.wait(0.01):
                    pass
                for message in self.told:
                    write(type="command_lifecycle", command_uuid=message, state="started")
                    write(type="command_lifecycle", command_uuid=message, state="completed")
                self.told.clear()
            case "/say":
                write(type="assistant", parent_tool_use_id=None, message=message_of(self.text))
                self.text = ""
            case "/leave":
                end_turn(subtype="success", is_error=False, result=self.text)
                os._exit(0)
            case {"wait": path}:
                while not os.path.exists(path) and not self.interrupted.wait(0.01):
                    pass
            case {"repeat": count}:
                for number in range(count):
                    self.piece(f"word {number} ")
                    if self.interrupted.wait(PAUSE):
                        return
            case text:
                self.piece(text)

    def piece(self, text):
        self.text += text
        delta = {"type": "text_delta", "text": text}
        event = {"type": "content_block_delta", "index": 0, "delta": delta}
        write(type="stream_event", event=event, parent_tool_use_id=None)


def message_of(text):
    content = [{"type": "text", "text": text}]
    usage = {"input_tokens": 10, "output_tokens": 5}
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "role": "assistant",
        "content": content,
        "usage": usage,
    }


def end_turn(**fields):
    write(
        type="result",
        total_cost_usd=0.001,
        usage={},
        modelUsage={},
        permission_denials=[],
        **fields,
    )


def write(**event):
    sys.stdout.write(json.dumps({**event, "session_id": SESSION}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
