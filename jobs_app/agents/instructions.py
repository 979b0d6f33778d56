"""Text that goes to an agent beside the prompt: the session's context and, while a project is
not trusted, the instructions that the project keeps for agents (CLAUDE.md, AGENTS.md)."""

import os
from collections.abc import Sequence
from pathlib import Path

from sessions_app.projects.files import read_start
from sessions_app.validation import validate_text

LIMIT = 256 * 1024
"""Bytes of a project's instructions that are read."""


def project_instructions(project_path: str, name: str) -> str:
    """The text of a file of the project, "" if there is none.

    Only a regular file inside the project after all symlinks are followed, so
    that a repository cannot send another file of the host to the model.
    """
    if not os.path.lexists(os.path.join(project_path, name)):  # most projects have only one
        return ""
    root = Path(project_path).resolve()
    try:
        path = (root / name).resolve(strict=True)
        return _read(path) if path.is_relative_to(root) else ""
    except (OSError, RuntimeError):
        return ""


def _read(path: Path) -> str:
    content = read_start(path, LIMIT + 1, follow_link=False)
    text = content[:LIMIT].decode(errors="replace").replace("\x00", "\ufffd")
    return f"{text}\n(cut after {LIMIT} bytes)" if len(content) > LIMIT else text


def preamble(context: str | None, project_path: str, names: Sequence[str], *, trusted: bool) -> str:
    """The session's context and an untrusted project's instructions, "" without either.

    In a trusted project the tool reads the instructions by itself.
    """
    parts = []
    if context and context.strip():
        validate_text("The session's context", context)
        parts.append(f"Context of this session:\n\n{context.strip()}")
    for name in () if trusted else names:
        found = project_instructions(project_path, name).strip()
        if found:
            parts.append(f"Instructions of this project ({name}):\n\n{found}")
    return "\n\n".join(parts)


def write_private(directory: str, name: str, text: str) -> str:
    """Write a new file with mode 0600 and return its path; its directory is made private too."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = os.path.join(directory, name)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path
