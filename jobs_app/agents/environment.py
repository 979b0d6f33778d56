"""What an agent's process sees of the worker: its environment, without what is ours."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobs_app.processes.tree import RUN_MARKER

OUR_PREFIXES = ("POKECODE_", "DJANGO_", "PG")
OUR_NAMES = frozenset({"DATABASE_URL"})


def environment(attempt_id: str, defaults: Mapping[str, str]) -> dict[str, str]:
    """The worker's environment without our secrets, marked with the attempt's id.

    `defaults` are set unless the worker's own environment says otherwise.
    """
    inherited = {name: value for name, value in os.environ.items() if not _is_ours(name)}
    return {**defaults, **inherited, RUN_MARKER: attempt_id}


def _is_ours(name: str) -> bool:
    return name in OUR_NAMES or name.startswith(OUR_PREFIXES)


def locate(command: Sequence[str]) -> str | None:
    """The absolute path of a command line's program, or None if it is not installed."""
    found = shutil.which(command[0])
    return os.path.abspath(found) if found else None


def resolved(command: Sequence[str]) -> list[str]:
    """The command line with its program's absolute path; FileNotFoundError without one.

    A name would be looked up again in the project's directory, whose files are
    not to be trusted, where PATH holds a relative entry.
    """
    program = locate(command)
    if program is None:
        raise FileNotFoundError(command[0])
    return [program, *command[1:]]


def native_codex(program: str) -> str:
    """The binary that the npm package's `codex.js` would start, or `program` itself.

    Killing the wrapper may leave its child alive: measured with codex 0.169.0 on
    Node 20, SIGKILL left the agent running with its output still open.
    """
    wrapper = Path(program).resolve()
    if wrapper.name != "codex.js":
        return program
    package = wrapper.parent.parent
    places = (package.parent, package / "node_modules" / "@openai")
    binaries = (found for place in places for found in place.glob("codex-*/vendor/*/bin/codex"))
    return next((str(binary) for binary in binaries if os.access(binary, os.X_OK)), program)
