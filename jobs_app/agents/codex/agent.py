"""Codex: how it is started. What it does was measured with codex 0.169.0."""

import json
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError

from jobs_app.agents import instructions
from jobs_app.agents.answering import resumed_prompt
from jobs_app.agents.arguments import checked
from jobs_app.agents.base import Driver, Launch, OneWay, Turn
from jobs_app.agents.codex.judge import NAME, CodexObserver
from jobs_app.agents.codex.talk import CodexDriver
from jobs_app.agents.environment import environment, native_codex, resolved
from jobs_app.agents.untrusted_git import without_programs
from jobs_app.agents.versions import Installed, dotted, too_old
from jobs_app.processes.spawning import Command

OPTIONS = (
    # Otherwise every start asks github.com for plugins.
    "--disable=plugins",
    # Otherwise it waits without end for a server that refuses connections.
    "--disable=unbounded_connection_retries",
)

# Otherwise the model may ask questions only where it is to plan. As a setting, because an unknown
# one is ignored, where `--enable` is refused.
QUESTIONS = (
    "--config=features.default_mode_request_user_input=true",
    "--config=suppress_unstable_features_warning=true",
)

INSTRUCTIONS = ("AGENTS.md",)

NEEDED = (0, 169, 0)
"""The version whose app-server was measured; with an older one `codex exec` is run."""


class CodexAgent:
    """Drives `codex app-server`. It has no list of allowed tools: its sandbox decides, and people
    where that is not enough."""

    name = NAME
    install_hint = "Install it with `npm install -g @openai/codex`, or set POKECODE_CODEX_COMMAND."

    def command(self) -> Sequence[str]:
        return list(settings.POKECODE_CODEX_COMMAND)

    def launch(self, turn: Turn) -> Launch:
        """See Agent."""
        checked(turn)
        program, *words = resolved(self.command())
        command = [native_codex(program), *words]
        environment = self._environment(turn)
        note = _why_one_way(Installed(command, environment))
        prompt = self._prompt(turn)
        if note is None:
            asking = QUESTIONS if turn.asks else ()
            argv = [*command, "app-server", *OPTIONS, *asking, _trust_option(turn)]
            driver: Driver = CodexDriver(turn, prompt, settings.POKECODE_CODEX_SANDBOX)
        else:
            argv = [*command, *self._one_way(turn)]
            said = resumed_prompt(turn.decisions) or prompt
            driver = OneWay(CodexObserver(turn), said, note if turn.asks else None)
        return Launch(Command(argv, environment), driver)

    def _environment(self, turn: Turn) -> dict[str, str]:
        own = environment(turn.attempt_id, {})
        return own if turn.trusted else without_programs(own, turn.project_path)

    def _one_way(self, turn: Turn) -> list[str]:
        if turn.images:
            raise ValidationError(
                f"{NAME} on this host is too old for images: install {dotted(NEEDED)} or newer."
            )
        # The sandbox is not remembered by a conversation, and must come before `resume`.
        options = ["exec", "--json", "--skip-git-repo-check", *OPTIONS]
        options += [f"--sandbox={settings.POKECODE_CODEX_SANDBOX}", _trust_option(turn)]
        if turn.model:
            options.append(f"--model={turn.model}")
        if turn.effort:
            options.append(f"--config=model_reasoning_effort={_toml(turn.effort)}")
        if turn.resume:
            options += ["resume", turn.resume]
        return [*options, "-"]

    def _prompt(self, turn: Turn) -> str:
        """The first prompt of a conversation brings the context, which argv would show."""
        if turn.resume:
            return turn.prompt
        text = instructions.preamble(
            turn.context, turn.project_path, INSTRUCTIONS, trusted=turn.trusted
        )
        return f"{text}\n\nThe task:\n\n{turn.prompt}" if text else turn.prompt


def _why_one_way(installed: Installed) -> str | None:
    version = installed.ask_version()
    is_old = version < NEEDED if version else installed.refuses("app-server")
    return too_old(NAME, version, NEEDED) if is_old else None


def _trust_option(turn: Turn) -> str:
    """With a TOML table of the trust in the project's directory.

    The form `projects."path".trust_level=…` is split at the dots in the path, and
    ignored. An untrusted project is named with all directories above it, in case
    the user's own configuration trusts one; AGENTS.md is then not read either.
    """
    path = Path(turn.project_path)
    if turn.trusted:
        return f"--config=projects={_toml_table([path], 'trusted')}"
    return f"--config=projects={_toml_table([path, *path.parents], 'untrusted')}"


def _toml_table(directories: Sequence[Path], level: str) -> str:
    entries = (f'{_toml(str(directory))}={{trust_level="{level}"}}' for directory in directories)
    return f"{{{','.join(entries)}}}"


def _toml(text: str) -> str:
    """A basic string: as JSON's, but DEL is escaped too, and what is not ASCII is not."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
