"""The demo agent: `python agent.py claude|codex …` stands in for both command-line tools.

No model and no network: a few small programs look at the project, and what they
print is what the transcript shows. It only reads. It says "demo" wherever it appears,
costs nothing, and its "tokens" are words: those it reads count as input, those
it writes as output.

Words in the prompt that it knows: "plan" shows a plan, "diff" or "edit" the last
commit's change, "slow" works for about twenty seconds more, "fail" fails.
"""

import itertools
import signal
import sys
from pathlib import Path

if __name__ == "__main__":  # started by its path: import from where the packages are
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jobs_app.demo.claude import Claude
from jobs_app.demo.codex import Codex
from jobs_app.demo.stream import Memory, Stream
from jobs_app.demo.work import answer

TOOLS: dict[str, type[Stream]] = {"claude": Claude, "codex": Codex}


def main() -> None:
    tool, arguments = sys.argv[1], sys.argv[2:]
    if "--version" in arguments:
        print(f"{tool} demo (PokéCode demo)")  # noqa: T201 - it was asked for
        return
    prompt = sys.stdin.buffer.read().decode(errors="replace").strip()
    if not prompt:
        sys.exit("Error: the demo agent got no prompt on standard input.")
    if tool == "claude":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stream = TOOLS[tool](Memory.open(resumed_id(arguments)))
    stream.conversation.save()
    try:
        exit_code = answer(stream, prompt)
    except KeyboardInterrupt:
        exit_code = stream.interrupted()
    stream.conversation.save()
    sys.exit(exit_code)


def resumed_id(arguments: list[str]) -> str | None:
    """The conversation to continue: `--resume=ID`, `--resume ID`, or codex's `resume ID`."""
    for argument, following in itertools.pairwise([*arguments, ""]):
        if argument.startswith("--resume="):
            return argument.partition("=")[2]
        if argument in ("--resume", "resume"):
            return following
    return None


if __name__ == "__main__":
    main()
