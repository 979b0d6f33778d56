"""Prints so many lines with a pause after each; every line says when it was printed."""

import json
import sys
import time

lines, pause = int(sys.argv[1]), float(sys.argv[2])
for number in range(lines):
    block = {"type": "text", "text": f"Line {number}. " + "x" * 600}
    event = {"type": "assistant", "message": {"id": f"m{number}", "content": [block]}}
    print(json.dumps({**event, "printed": time.time_ns()}), flush=True)
    time.sleep(pause)
print('{"type":"result","subtype":"success","is_error":false,"result":"Done."}')
