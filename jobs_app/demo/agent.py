"""The demo agent: `python agent.py claude|codex …` stands in for both command-line tools.

No model and no network: a few small programs look at the project, and what they
print is what the transcript shows. It only reads, unless a person allows it one thing. It says
"demo" wherever it appears, costs nothing, and its "tokens" are words: those it reads count as
input, those it writes as output.

Words in the prompt that it knows: "plan" shows a plan, "diff" or "edit" the last
commit's change, "notes" asks what notes of the tour shall tell and whether it may write them,
"slow" works for about twenty seconds more, "fail" fails.

Its arguments say how it is talked to, as with the real tools: with a prompt on standard input, or
by claude's control protocol or codex's app-server, where it can ask and be told something.
"""

import itertools
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # started by its path: import from where the packages are
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jobs_app.demo.claude import Claude
from jobs_app.demo.claude_talk import ClaudeTalk
from jobs_app.demo.codex import Codex
from jobs_app.demo.codex_server import CodexServer
from jobs_app.demo.stream import Interrupted, Memory, Stream
from jobs_app.demo.work import answer


def main() -> None:
    tool, arguments = sys.argv[1], sys.argv[2:]
    if "--version" in arguments:
        print(f"{tool} demo (PokéCode demo)")  # noqa: T201 - it was asked for
        return
    if tool == "claude":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if "app-server" in arguments:
        sys.exit(converse(CodexServer()))
    conversation = opened(arguments)
    if "--input-format=stream-json" in arguments:
        sys.exit(converse(ClaudeTalk(conversation, arguments)))
    sys.exit(one_turn(Claude(conversation) if tool == "claude" else Codex(conversation)))


def converse(stream: ClaudeTalk | CodexServer) -> int:
    """A turn for each prompt that comes; returns the program's exit code."""
    try:
        for prompt in stream.prompts():
            try:
                answer(stream, prompt)
            except Interrupted:
                stream.interrupted()
            stream.conversation.save()
    except KeyboardInterrupt:
        stream.interrupted()
    return 0


def one_turn(stream: Stream) -> int:
    """A turn for the prompt on standard input; returns the program's exit code."""
    prompt = sys.stdin.buffer.read().decode(errors="replace").strip()
    if not prompt:
        sys.exit("Error: the demo agent got no prompt on standard input.")
    stream.conversation.save()
    try:
        exit_code = answer(stream, prompt)
    except KeyboardInterrupt:
        exit_code = stream.interrupted()
    stream.conversation.save()
    return exit_code


def opened(arguments: Sequence[str]) -> Memory:
    """The conversation that the arguments name, or a new one."""
    id = resumed_id(arguments)
    conversation = Memory.of(id) if id else Memory.new()
    if conversation is None:
        sys.exit(f"No conversation found with session ID: {id}")
    return conversation


def resumed_id(arguments: Sequence[str]) -> str | None:
    """The conversation to continue: `--resume=ID`, `--resume ID`, or codex's `resume ID`."""
    for argument, following in itertools.pairwise([*arguments, ""]):
        if argument.startswith("--resume="):
            return argument.partition("=")[2]
        if argument in ("--resume", "resume"):
            return following
    return None


if __name__ == "__main__":
    main()
