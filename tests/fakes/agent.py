"""A fake of both command-line tools: `python agent.py claude|codex …`, for tests of the worker.

It takes any arguments, reads the prompt on standard input (the first message of the
protocol, or all of it where the arguments ask for no protocol) and, by default, prints
the shortest successful stream of its protocol, under the id that it was asked to
resume or a new one; the event that ends the stream comes last, after all waiting.
A prompt that holds `FAKE {…}` (JSON, anywhere) changes that. In the order in
which they act:

    env_dump: path        write argv, environment, cwd and prompt there, as JSON; of an app-server
                          also how its thread was opened
    log: path             append "start <marker> <time>" now and "end <marker> <time>" at the end
    lock: path            hold this file locked until we and what we leave behind have
                          ended; append "overlap <marker> <time>" to the log if another does
    ignore_signals: true  survive SIGINT and SIGTERM
    kill_worker: true     kill -9 whoever started us
    limited_until: epoch  before that time, end as at a usage limit
    fail_first: n         exit 1 at once in the first n runs that the log knows of
    spawn_detached: path  leave behind a sleep in a session of its own that holds our
                          standard output open; its pid goes to the path
    spawn_stray: path     the same with an empty environment and no pipes
    stderr_bytes: n       write that much to standard error
    stdout_close: true    close standard output
    usage: [in, out]      tokens that the stream reports (codex: of the whole thread); 10, 5
    before: [...]         print these lines before the stream
    lines: [...]          print these instead of the stream; each is a string, {"base64": …}
                          {"fill": n} (a JSON string of n letters) or {"pad": n} (a
                          system event with n letters)
    replay: path          print this file instead of the stream
    silent: true          print nothing instead of the stream
    pause: seconds        between two lines
    unended: true         leave out the last newline
    wait_for: path        wait until the path exists
    sleep: seconds        then wait so long
    ask: [{tool, input, seconds?, after?}, …]
                          call these tools, each once it is allowed, for so many seconds and once
                          the path `after` exists (claude)
    at_once: true         ask for all of them at the same time
    calls: path           append what becomes of each call there: see claude_talk.py
    hears: "after"        take up what it is told only when its turn has ended
    exit: code            default 0; negative to end by that signal
    quick_if: path        where it exists, leave nothing behind and wait for nothing

Interrupted by a signal, the fake claude prints an error result and exits 0, the fake codex
exits 1; terminated, 143 and by the signal: as the real ones do (claude 2.1.330,
codex 0.169.0). Interrupted by a request, the fake claude stays until its session is ended.
"""

import base64
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # it is run with nothing but the standard library

import app_server  # type: ignore[import-not-found]  # noqa: E402
from claude_talk import Memory, Talk  # type: ignore[import-not-found]  # noqa: E402

VERSIONS = {"claude": "2.1.330 (Claude Code)", "codex": "codex-cli 0.169.0"}


def main() -> None:
    tool, arguments = sys.argv[1], sys.argv[2:]
    if "--version" in arguments:
        print(VERSIONS[tool])
        return
    talks = "--input-format=stream-json" in arguments
    if "app-server" in arguments:
        run(CodexServer(arguments, *app_server.first_turn()), listens=True)
    prompt = first_message() if talks else sys.stdin.buffer.read().decode(errors="replace")
    run(Fake(tool, arguments, prompt, directives(prompt)), listens=talks)


def run(fake, *, listens):
    signal.signal(signal.SIGINT, fake.on_interrupt)
    signal.signal(signal.SIGTERM, fake.on_terminate)
    if listens:
        threading.Thread(target=fake.listen, daemon=True).start()
    fake.run()


def first_message():
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit(1)  # nothing was asked of it, and nothing more comes
    content = json.loads(line)["message"]["content"]
    return content if isinstance(content, str) else content[-1].get("text", "")


def directives(prompt):
    _, found, text = prompt.partition("FAKE {")
    return json.JSONDecoder().raw_decode("{" + text)[0] if found else {}


def is_quick(wanted):
    return "quick_if" in wanted and os.path.exists(wanted["quick_if"])


def without_waiting(wanted):
    waiting = {"sleep", "wait_for", "spawn_detached", "spawn_stray", "ignore_signals"}
    return {key: value for key, value in wanted.items() if key not in waiting}


class Fake:
    def __init__(self, tool, arguments, prompt, wanted):
        self.tool = tool
        self.arguments = arguments
        self.prompt = prompt
        self.id = resumed_id(arguments) or str(uuid.uuid4())
        self.memory = Memory(self.id, prompt, wanted)
        wanted = self.memory.directives
        self.wanted = without_waiting(wanted) if is_quick(wanted) else wanted
        self.marker = os.environ.get("POKECODE_RUN", "-")
        self.inherited = []
        may_ask = "--permission-prompt-tool=stdio" in arguments
        self.talk = Talk(self.memory, self.marker, may_ask, self.tell, self.stop_turn, self.end)

    def run(self):
        self.prepare()
        self.leave_behind()
        sys.stderr.write("x" * self.wanted.get("stderr_bytes", 0))
        sys.stderr.flush()
        if self.wanted.get("stdout_close"):
            os.close(1)
        *lines, last = self.lines()
        self.print_lines(lines)
        if "ask" in self.wanted:
            self.memory.keep()
            self.talk.ask()
        while "wait_for" in self.wanted and not os.path.exists(self.wanted["wait_for"]):
            time.sleep(0.01)
        time.sleep(self.wanted.get("sleep", 0))
        if self.talk.is_stopped:
            threading.Event().wait()  # until the session is ended
        write(last)
        if self.talk.has_words:
            self.next_turn()
        self.end(self.wanted.get("exit", 0))

    def next_turn(self):
        """For what it was told and has not heard before."""
        self.talk.hear_words()
        for event in claude(self.id, f"Fake answer to: {self.memory.told[-1]}", self.usage()):
            self.tell(event)

    def tell(self, event):
        write(json.dumps({"session_id": self.id, **event}).encode() + b"\n")

    def prepare(self):
        if path := self.wanted.get("env_dump"):
            self.dump(Path(path))
        self.log("start")
        self.lock()
        if self.wanted.get("ignore_signals"):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.wanted.get("kill_worker"):
            os.kill(os.getppid(), signal.SIGKILL)
        if time.time() < self.wanted.get("limited_until", 0):
            self.end_at_limit(self.wanted["limited_until"])
        if self.wanted.get("fail_first", 0) >= self.starts():
            self.end(1)

    def end_at_limit(self, until):
        fields = {"subtype": "success", "is_error": True, "api_error_status": 429}
        text = f"Claude AI usage limit reached|{until}"
        result = claude_result(self.id, self.usage(), **fields, result=text)
        write(json.dumps(result).encode() + b"\n")
        self.end(1)

    def dump(self, path):
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(self.dumped()))
        part.rename(path)

    def dumped(self):
        return {
            "argv": [self.tool, *self.arguments],
            "environment": dict(os.environ),
            "cwd": os.getcwd(),
            "prompt": self.prompt,
        }

    def log(self, event):
        if path := self.wanted.get("log"):
            line = f"{event} {self.marker} {time.time():.6f}\n"
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(handle, line.encode())
            os.fsync(handle)
            os.close(handle)

    def lock(self):
        if path := self.wanted.get("lock"):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.log("overlap")
            self.inherited = [handle]

    def starts(self):
        path = self.wanted.get("log")
        return Path(path).read_text().count("start ") if path else 1

    def leave_behind(self):
        sleep = ["sleep", "1000"]
        if path := self.wanted.get("spawn_detached"):
            left = subprocess.Popen(
                sleep, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=self.inherited
            )
            write_pid(path, left)
        if path := self.wanted.get("spawn_stray"):
            left = subprocess.Popen(
                sleep, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True, pass_fds=self.inherited,
            )  # fmt: skip
            write_pid(path, left)

    def print_lines(self, lines):
        for line in lines:
            write(line)
            time.sleep(self.wanted.get("pause", 0))

    def lines(self):
        """What to print, each with its newline; the last one after all waiting."""
        if "lines" in self.wanted:
            lines = [as_bytes(line) + b"\n" for line in self.wanted["lines"]]
            if self.wanted.get("unended"):
                lines[-1] = lines[-1].removesuffix(b"\n")
            return [*lines, b""]
        if "replay" in self.wanted:
            return [*Path(self.wanted["replay"]).read_bytes().splitlines(keepends=True), b""]
        if self.wanted.get("silent") or self.wanted.get("stdout_close"):
            return [b""]
        before = [as_bytes(line) + b"\n" for line in self.wanted.get("before", [])]
        return before + [json.dumps(event).encode() + b"\n" for event in self.stream()]

    def stream(self):
        return (claude if self.tool == "claude" else codex)(self.id, self.answer(), self.usage())

    def answer(self):
        return "Fake answer to: " + self.prompt.strip().partition("\n")[0][:200]

    def usage(self):
        return self.wanted.get("usage", [10, 5])

    def listen(self):
        self.talk.listen()

    def stop_turn(self):
        self.tell(self.interrupted())
        if self.talk.has_words:
            self.next_turn()

    def interrupted(self):
        fields = {"subtype": "error_during_execution", "is_error": True}
        return claude_result(self.id, self.usage(), **fields, terminal_reason="aborted_tools")

    def on_interrupt(self, number, frame):
        if self.tool == "claude":
            self.tell(self.interrupted())
        self.end(0 if self.tool == "claude" else 1)

    def on_terminate(self, number, frame):
        self.end(143 if self.tool == "claude" else -signal.SIGTERM)

    def end(self, code):
        self.log("end")
        if code < 0:
            with suppress(OSError):  # SIGKILL has no other way
                signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code)


class CodexServer(Fake):
    """Codex as an app-server; it ends well however it is ended (codex 0.169.0)."""

    def __init__(self, arguments, opened, prompt):
        super().__init__("codex", arguments, prompt, directives(prompt))
        self.opened = opened
        self.id = opened["threadId"]

    def dumped(self):
        return {**super().dumped(), "thread": self.opened}

    def stream(self):
        return app_server.stream(self.id, self.answer(), self.usage())

    def listen(self):
        app_server.listen(self.on_request_to_interrupt)

    def on_request_to_interrupt(self, request):
        if not self.wanted.get("ignore_signals"):
            app_server.answer(request, {})
            write(json.dumps(app_server.ended(self.id, "interrupted")).encode() + b"\n")
            self.end(0)

    def on_interrupt(self, number, frame):
        self.end(0)

    def on_terminate(self, number, frame):
        self.end(0)


def resumed_id(arguments):
    for position, argument in enumerate(arguments):
        if argument.startswith("--resume="):
            return argument.partition("=")[2]
        if argument in ("--resume", "resume"):
            return arguments[position + 1]
    return None


def claude(session_id, text, usage):
    common = {"session_id": session_id, "parent_tool_use_id": None}
    message = {
        "id": f"msg_{uuid.uuid4().hex}",
        "role": "assistant",
        "model": "fake",
        "content": [{"type": "text", "text": text}],
        "usage": {"input_tokens": usage[0], "output_tokens": 1},
    }
    return [
        {"type": "system", "subtype": "init", "cwd": os.getcwd(), "model": "fake", **common},
        {"type": "assistant", "message": message, **common},
        claude_result(session_id, usage, subtype="success", is_error=False, result=text),
    ]


def claude_result(session_id, usage, **fields):
    by_model = {"fake": {"inputTokens": usage[0], "outputTokens": usage[1], "costUSD": 0.001}}
    return {
        "type": "result",
        "session_id": session_id,
        "total_cost_usd": 0.001,
        "usage": {"input_tokens": usage[0], "output_tokens": usage[1]},
        "modelUsage": by_model,
        "model_usage_since_last_result": by_model,
        "permission_denials": [],
        **fields,
    }


def codex(thread_id, text, usage):
    answer = {"id": "item_0", "type": "agent_message", "text": text}
    return [
        {"type": "thread.started", "thread_id": thread_id},
        {"type": "turn.started"},
        {"type": "item.completed", "item": answer},
        {
            "type": "turn.completed",
            "usage": {"input_tokens": usage[0], "output_tokens": usage[1]},
        },
    ]


def as_bytes(line):
    match line:
        case {"base64": encoded}:
            return base64.b64decode(encoded)
        case {"fill": size}:
            return b'"' + b"x" * size + b'"'
        case {"pad": size}:
            return b'{"type":"system","subtype":"status","text":"' + b"x" * size + b'"}'
        case _:
            return line.encode("utf-8", "surrogatepass")


def write(data):
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


def write_pid(path, process):
    Path(path).write_text(str(process.pid))


if __name__ == "__main__":
    main()
