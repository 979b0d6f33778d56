"""Claude Code: how it is started. What it does was measured with claude 2.1.330 and 2.1.197."""

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ValidationError

from jobs_app.agents import instructions
from jobs_app.agents.answering import resumed_prompt
from jobs_app.agents.arguments import checked
from jobs_app.agents.base import Launch, OneWay, Turn
from jobs_app.agents.claude.judge import NAME, ClaudeObserver
from jobs_app.agents.claude.lines import chosen_mode, escaped
from jobs_app.agents.claude.talk import ClaudeDriver
from jobs_app.agents.environment import environment, resolved
from jobs_app.agents.versions import Installed, Version, dotted
from jobs_app.processes.spawning import Command

ENVIRONMENT = {
    # Otherwise 2.1.330 stays alive after its result until background tasks have ended.
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "DISABLE_AUTOUPDATER": "1",
}

TELLS_ITS_STATE = {"CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1"}
"""Without that it is not known when it has nothing more to do: the driver needs it."""

# The project's hooks, MCP servers and environment stay off; only the user's own settings count.
UNTRUSTED = ("--setting-sources=user", "--strict-mcp-config")

OUTPUT = ("--output-format=stream-json", "--verbose")
PROTOCOL = ("--input-format=stream-json", "--include-partial-messages")

NEEDED = (2, 1, 219)
"""Measured: 2.1.218 cannot drop at an interrupt what it was told before
(interrupt_cancel_queued_v1), 2.1.197 does not tell either what it has read (msg_lifecycle_v1)."""

UPDATE = f"update it to {dotted(NEEDED)} or newer"

INSTRUCTIONS = ("CLAUDE.md", ".claude/CLAUDE.md")


class ClaudeAgent:
    """Drives `claude -p` by its stream-json control protocol, one too old for it by plain text."""

    name = NAME
    install_hint = (
        "Install it with `npm install -g @anthropic-ai/claude-code` (Node.js 22 or newer), "
        "or set POKECODE_CLAUDE_COMMAND."
    )

    def command(self) -> Sequence[str]:
        return list(settings.POKECODE_CLAUDE_COMMAND)

    def launch(self, turn: Turn) -> Launch:
        """See Agent."""
        checked(turn)
        words = resolved(self.command())
        version = Installed(words, environment(turn.attempt_id, {})).ask_version()
        if version is not None and version < NEEDED:
            return self._one_way(turn, words, version)
        return self._talking(turn, words)

    def _talking(self, turn: Turn, words: list[str]) -> Launch:
        options = [*PROTOCOL, *(["--permission-prompt-tool=stdio"] if turn.asks else [])]
        command = Command(
            [*words, *self._options(turn), *options],
            environment(turn.attempt_id, ENVIRONMENT) | TELLS_ITS_STATE,
            # The end of its input would tell it that what it asks is denied, and it would go on.
            input_outlives_us=True,
        )
        return Launch(command, ClaudeDriver(turn))

    def _one_way(self, turn: Turn, words: list[str], version: Version) -> Launch:
        if turn.images:
            raise ValidationError(f"{_too_old(version)} for images: {UPDATE}.")
        command = Command([*words, *self._options(turn)], environment(turn.attempt_id, ENVIRONMENT))
        prompt = escaped(resumed_prompt(turn.decisions) or turn.prompt)
        refused = "what needs a permission was refused"
        note = f"{_too_old(version)} to ask, so {refused}: {UPDATE}." if turn.asks else None
        return Launch(command, OneWay(ClaudeObserver(turn), prompt, note))

    def _options(self, turn: Turn) -> list[str]:
        options = ["-p", *OUTPUT, f"--permission-mode={_mode(turn)}"]
        if not turn.trusted:
            options += UNTRUSTED
        if turn.model:
            options.append(f"--model={turn.model}")
        if turn.effort:
            options.append(f"--effort={turn.effort}")
        if turn.allowed_tools:
            options.append(f"--allowedTools={','.join(turn.allowed_tools)}")
        if turn.resume:
            options.append(f"--resume={turn.resume}")
        return options + self._system_prompt(turn)

    def _system_prompt(self, turn: Turn) -> list[str]:
        """In a file, because other users of the host can read argv."""
        text = instructions.preamble(
            turn.context, turn.project_path, INSTRUCTIONS, trusted=turn.trusted
        )
        if not text:
            return []
        path = instructions.write_private(turn.private_directory, "system-prompt.md", text)
        return [f"--append-system-prompt-file={path}"]


def _mode(turn: Turn) -> str:
    """The host's, unless a plan was approved with another while no process waited for it."""
    chosen = (chosen_mode(decision.answer) for decision in turn.decisions)
    return next(filter(None, chosen), settings.POKECODE_CLAUDE_PERMISSION_MODE)


def _too_old(version: Version) -> str:
    return f"{NAME} {dotted(version)} on this host is too old"
