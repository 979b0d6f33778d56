"""The command lines, environments and inputs that agents are started with."""

import os
import re
import stat
import sys
import tomllib
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from jobs_app.agents import AGENTS, find
from jobs_app.agents.base import Turn
from jobs_app.agents.instructions import LIMIT
from jobs_app.processes.spawning import Command

CONVERSATION = "b460a70d-ee45-424a-ba3b-e32f7e97cbdf"

COMMANDS = {
    "POKECODE_CLAUDE_COMMAND": [sys.executable, "-E"],
    "POKECODE_CODEX_COMMAND": [sys.executable, "-E"],
}


def launch(provider: str, **fields) -> Command:
    known = {"attempt_id": "attempt-1", "prompt": "Do it", "project_path": "/nowhere", **fields}
    with override_settings(**COMMANDS):
        return AGENTS[provider].launch(Turn(**known))


def options(provider: str, **fields) -> list[str]:
    """The words after the configured command."""
    return list(launch(provider, **fields).argv[2:])


@pytest.fixture
def private(tmp_path: Path) -> str:
    directory = tmp_path / "private"
    directory.mkdir(mode=0o700)
    return str(directory)


def system_prompt(launched: Command) -> str:
    flag = "--append-system-prompt-file="
    files = [word.removeprefix(flag) for word in launched.argv if word.startswith(flag)]
    return Path(files[0]).read_text() if files else ""


def test_claude_starts_a_conversation_with_safe_defaults():
    assert options("claude-code") == [
        "-p",
        "--output-format=stream-json",
        "--verbose",
        "--permission-mode=acceptEdits",
        "--setting-sources=user",
        "--strict-mcp-config",
    ]


def test_claude_gets_model_tools_and_conversation():
    words = options(
        "claude-code", model="opus", allowed_tools=["Read", "Bash(npm test:*)"], resume=CONVERSATION
    )
    assert words[-3:] == [
        "--model=opus",
        "--allowedTools=Read,Bash(npm test:*)",
        f"--resume={CONVERSATION}",
    ]


def test_claude_reads_the_settings_of_a_trusted_project():
    words = options("claude-code", trusted=True)
    assert not [word for word in words if word.startswith(("--setting-sources", "--strict"))]


def test_codex_starts_a_conversation_with_safe_defaults():
    words = options("codex-cli", model="gpt-6")
    assert words[0] == "exec"
    assert {"--json", "--sandbox=workspace-write", "--model=gpt-6"} <= set(words)
    assert {"--disable=plugins", "--disable=unbounded_connection_retries"} <= set(words)
    assert words[-1] == "-"


@pytest.mark.parametrize("trusted", [False, True])
def test_codex_gets_a_repository_s_filters_blanked_until_it_is_trusted(git_project, trusted):
    config = git_project / ".git/config"
    config.write_text(f'{config.read_text()}[filter "x"]\n\tclean = evil\n')
    launched = launch("codex-cli", project_path=str(git_project), trusted=trusted)
    assert ("filter.x.clean" in launched.environment.values()) != trusted


def test_codex_names_the_sandbox_before_it_resumes():
    words = options("codex-cli", resume=CONVERSATION)
    assert words[-3:] == ["resume", CONVERSATION, "-"]
    assert words.index("--sandbox=workspace-write") < words.index("resume")


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("name", ["plain", "a.b", 'q"uo te', "back\\slash", "日\u2028\x7f=", "😀"])
def test_codex_gets_the_trust_as_toml_for_any_path(name, trusted):
    words = options("codex-cli", project_path=f"/srv/{name}", trusted=trusted)
    [value] = [word for word in words if word.startswith("--config=projects=")]
    projects = tomllib.loads(value.removeprefix("--config="))["projects"]
    if trusted:
        assert projects == {f"/srv/{name}": {"trust_level": "trusted"}}
    else:
        assert set(projects) == {f"/srv/{name}", "/srv", "/"}
        assert {entry["trust_level"] for entry in projects.values()} == {"untrusted"}


@pytest.mark.parametrize("provider", AGENTS)
def test_the_prompt_goes_to_standard_input_and_never_to_argv(provider):
    launched = launch(provider, prompt="--help me, sécret")
    assert launched.stdin == "--help me, sécret".encode()
    assert not [word for word in launched.argv if "help me" in word]


def test_a_leading_slash_is_no_command_of_claude():
    assert launch("claude-code", prompt="/cost").stdin == b"\n/cost"
    assert launch("codex-cli", prompt="/cost").stdin == b"/cost"


@pytest.mark.parametrize("provider", AGENTS)
def test_agents_do_not_see_our_own_secrets(provider, monkeypatch):
    for name in ("POKECODE_SECRET_KEY", "DATABASE_URL", "DJANGO_SETTINGS_MODULE", "PGPASSWORD"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "theirs")
    environment = launch(provider).environment
    assert "secret" not in environment.values()
    assert environment["ANTHROPIC_API_KEY"] == "theirs"
    assert environment["POKECODE_RUN"] == "attempt-1"


def test_what_the_worker_sets_wins_over_our_defaults(monkeypatch):
    assert launch("claude-code").environment["CLAUDE_CODE_DISABLE_BACKGROUND_TASKS"] == "1"
    monkeypatch.setenv("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "0")
    assert launch("claude-code").environment["CLAUDE_CODE_DISABLE_BACKGROUND_TASKS"] == "0"


def test_context_reaches_claude_in_a_private_file(private):
    launched = launch("claude-code", context="Speak French.", private_directory=private)
    assert "Speak French." in system_prompt(launched)
    [file] = Path(private).iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_context_goes_before_the_first_prompt_of_a_codex_conversation():
    first = launch("codex-cli", context="Speak French.").stdin.decode()
    assert first.index("Speak French.") < first.index("Do it")
    assert launch("codex-cli", context="Speak French.", resume=CONVERSATION).stdin == b"Do it"


def test_instructions_of_an_untrusted_project_are_still_read(project, private):
    (project / "CLAUDE.md").write_text("Use tabs.")
    (project / "AGENTS.md").write_text("Use spaces.")
    known = {"project_path": str(project), "private_directory": private}
    assert "Use tabs." in system_prompt(launch("claude-code", **known))
    assert b"Use spaces." in launch("codex-cli", **known).stdin
    assert not system_prompt(launch("claude-code", **known, trusted=True))
    assert launch("codex-cli", **known, trusted=True).stdin == b"Do it"


def test_instructions_may_not_lead_out_of_the_project(project, tmp_path, private):
    (tmp_path / "secret").write_text("a private key")
    (project / "CLAUDE.md").symlink_to(tmp_path / "secret")
    os.mkfifo(project / "AGENTS.md")
    known = {"project_path": str(project), "private_directory": private}
    assert not system_prompt(launch("claude-code", **known))
    assert launch("codex-cli", **known).stdin == b"Do it"


def test_a_symlink_inside_the_project_is_followed(project, private):
    (project / "notes.md").write_text("Use tabs.")
    (project / "CLAUDE.md").symlink_to("notes.md")
    launched = launch("claude-code", project_path=str(project), private_directory=private)
    assert "Use tabs." in system_prompt(launched)


def test_huge_instructions_are_cut_and_say_so(project, private):
    (project / "CLAUDE.md").write_bytes(b"\xff" + b"x" * (LIMIT + 1))
    launched = launch("claude-code", project_path=str(project), private_directory=private)
    text = system_prompt(launched)
    assert len(text) < LIMIT + 200
    assert text.endswith(f"(cut after {LIMIT} bytes)")


@pytest.mark.parametrize(
    "wrong",
    [
        {"resume": "not-a-uuid"},
        {"resume": "--help"},
        {"model": "--settings={}\n"},
        {"allowed_tools": ["Read,Bash"]},
        {"prompt": "a\x00b"},
        {"project_path": "/srv/\ud800"},
        {"context": "a\x00b"},
    ],
)
@pytest.mark.parametrize("provider", AGENTS)
def test_what_is_no_argument_is_refused_in_a_sentence(provider, wrong):
    with pytest.raises(ValidationError) as refusal:
        launch(provider, **wrong)
    assert refusal.value.messages[0].endswith(".")


hostile = st.text(max_size=40) | st.sampled_from(
    ["--settings={}", "X,Bash", "--help", "$(id)", "-", "a b", "=", "Bash(*)", "a\nb", CONVERSATION]
)


@effort(deadline=None)
@given(model=hostile, tool=hostile, resume=hostile, path=hostile)
@pytest.mark.parametrize("provider", AGENTS)
def test_no_value_changes_the_shape_of_the_command_line(provider, model, tool, resume, path):
    fields = {"allowed_tools": [tool], "model": model, "resume": resume}
    plain = {"allowed_tools": ["Read"], "model": "m", "resume": CONVERSATION}
    for name, value in fields.items():
        try:
            words = options(provider, project_path=f"/{path}", **{**plain, name: value})
        except ValidationError:
            continue
        assert _shape(words) == _shape(options(provider, **plain))


def _shape(words: list[str]) -> list[str]:
    """Flags without their values, and the one positional value that is a UUID."""
    return [re.sub(r"(?s)=.*", "=", word) if word[0] == "-" else word.lower() for word in words]


@pytest.mark.parametrize("provider", AGENTS)
def test_a_missing_program_is_not_found(provider, settings):
    settings.POKECODE_CLAUDE_COMMAND = settings.POKECODE_CODEX_COMMAND = ["no-such-program-x"]
    assert find(AGENTS[provider]) is None
    with pytest.raises(FileNotFoundError):
        AGENTS[provider].launch(Turn("attempt", "Do it", "/nowhere"))


def test_a_program_of_the_project_is_not_run(project, tmp_path, monkeypatch, settings):
    """PATH may hold a relative entry, and the tool starts in the project's directory."""
    for directory in (project, tmp_path / "bin"):
        directory.mkdir(exist_ok=True)
        _program(directory / "claude")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"bin:.:{os.environ['PATH']}")
    settings.POKECODE_CLAUDE_COMMAND = ["claude"]
    launched = AGENTS["claude-code"].launch(Turn("attempt", "Do it", str(project)))
    assert launched.argv[0] == str(tmp_path / "bin" / "claude")


@pytest.mark.parametrize("place", ["codex-linux-x64", "codex/node_modules/@openai/codex-linux-x64"])
def test_codex_runs_without_the_wrapper_of_npm(place, tmp_path, settings):
    packages = tmp_path / "node_modules" / "@openai"
    wrapper = _program(packages / "codex" / "bin" / "codex.js")
    native = _program(packages / place / "vendor" / "x86_64-unknown-linux-musl" / "bin" / "codex")
    (tmp_path / "codex").symlink_to(wrapper)
    settings.POKECODE_CODEX_COMMAND = [str(tmp_path / "codex")]
    launched = AGENTS["codex-cli"].launch(Turn("attempt", "Do it", "/nowhere"))
    assert launched.argv[0] == str(native)


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path
