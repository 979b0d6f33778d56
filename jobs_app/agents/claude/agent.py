"""Claude Code: how it is started. What it does was measured with claude 2.1.330 and 2.1.197."""

from collections.abc import Sequence

from django.conf import settings

from jobs_app.agents import instructions
from jobs_app.agents.arguments import checked
from jobs_app.agents.base import Launch, Turn
from jobs_app.agents.claude.judge import NAME
from jobs_app.agents.claude.talk import ClaudeDriver
from jobs_app.agents.environment import environment, resolved
from jobs_app.processes.spawning import Command

ENVIRONMENT = {
    # Otherwise 2.1.330 stays alive after its result until background tasks have ended.
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "DISABLE_AUTOUPDATER": "1",
}

# The project's hooks, MCP servers and environment stay off; only the user's own settings count.
UNTRUSTED = ("--setting-sources=user", "--strict-mcp-config")

PROTOCOL = (
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
)

INSTRUCTIONS = ("CLAUDE.md", ".claude/CLAUDE.md")


class ClaudeAgent:
    """Drives `claude -p` by its stream-json control protocol."""

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
        command = Command(
            [*resolved(self.command()), *self._options(turn)],
            environment(turn.attempt_id, ENVIRONMENT),
            # The end of its input would tell it that what it asks is denied, and it would go on.
            input_outlives_us=True,
        )
        return Launch(command, ClaudeDriver(turn))

    def _options(self, turn: Turn) -> list[str]:
        mode = settings.POKECODE_CLAUDE_PERMISSION_MODE
        options = ["-p", *PROTOCOL, f"--permission-mode={mode}"]
        if turn.asks:
            options.append("--permission-prompt-tool=stdio")
        if not turn.trusted:
            options += UNTRUSTED
        if turn.model:
            options.append(f"--model={turn.model}")
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
