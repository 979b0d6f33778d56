"""The command lines, environments and inputs that agents are started with."""

import json
import os
import re
import stat
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from jobs_app.agents import AGENTS, find, versions
from jobs_app.agents.base import CloseInput, Decision, Effect, Image, Launch, Send, Turn
from jobs_app.agents.instructions import LIMIT
from jobs_app.processes.spawning import Command
from sessions_app.providers import Asked

CONVERSATION = "b460a70d-ee45-424a-ba3b-e32f7e97cbdf"

COMMANDS = {
    "POKECODE_CLAUDE_COMMAND": [sys.executable, "-E"],
    "POKECODE_CODEX_COMMAND": [sys.executable, "-E"],
}


def launched(provider: str, **fields) -> Launch:
    known = {"attempt_id": "attempt-1", "prompt": "Do it", "project_path": "/nowhere", **fields}
    with override_settings(**COMMANDS):
        return AGENTS[provider].launch(Turn(**known))


def launch(provider: str, **fields) -> Command:
    return launched(provider, **fields).command


def said(provider: str, **fields) -> str:
    """What the tool is given as the prompt."""
    driver = launched(provider, **fields).driver
    if provider == "claude-code":
        return sent(driver.begin())["message"]["content"]
    opened = {"thread": {"id": CONVERSATION}}
    request = sent(driver.begin())
    for result in ({}, opened):
        answer = {"id": request["id"], "result": result}
        request = sent(driver.observe(answer, json.dumps(answer)))
    [text] = request["params"]["input"]
    return text["text"]


def sent(effects: Sequence[Effect]) -> dict[str, Any]:
    """The last line that the tool is sent."""
    *_, effect = effects
    assert isinstance(effect, Send)
    return json.loads(effect.data)


def options(provider: str, **fields) -> list[str]:
    """The words after the configured command."""
    return list(launch(provider, **fields).argv[2:])


@pytest.fixture
def private(tmp_path: Path) -> str:
    directory = tmp_path / "private"
    directory.mkdir(mode=0o700)
    return str(directory)


def system_prompt(command: Command) -> str:
    flag = "--append-system-prompt-file="
    files = [word.removeprefix(flag) for word in command.argv if word.startswith(flag)]
    return Path(files[0]).read_text() if files else ""


def test_claude_starts_a_conversation_with_safe_defaults():
    assert options("claude-code") == [
        "-p",
        "--output-format=stream-json",
        "--verbose",
        "--permission-mode=acceptEdits",
        "--setting-sources=user",
        "--strict-mcp-config",
        "--input-format=stream-json",
        "--include-partial-messages",
    ]


def test_claude_gets_model_tools_and_conversation():
    tools = ["Read", "Bash(npm test:*)"]
    asked = {"model": "opus", "effort": "high", "allowed_tools": tools, "resume": CONVERSATION}
    assert {
        "--model=opus",
        "--effort=high",
        "--allowedTools=Read,Bash(npm test:*)",
        f"--resume={CONVERSATION}",
    } <= set(options("claude-code", **asked))


def test_claude_asks_only_where_a_person_is_asked():
    assert "--permission-prompt-tool=stdio" in options("claude-code", asks=True)
    assert "--permission-prompt-tool=stdio" not in options("claude-code")


def test_claude_goes_on_in_the_way_in_which_its_plan_was_approved():
    assert "--permission-mode=default" in options("claude-code", decisions=[approved("default")])


def approved(mode: str) -> Decision:
    plan = Asked("1", "plan", "ExitPlanMode")
    return Decision(plan, {"decision": "allow", "mode": mode})


def test_no_answer_leads_claude_to_bypass_permissions():
    answer = approved("bypassPermissions")
    assert "--permission-mode=acceptEdits" in options("claude-code", decisions=[answer])


@pytest.mark.parametrize(
    ("printed", "is_old"),
    [
        ("2.1.218 (Claude Code)", True),
        ("1.0.128 (Claude Code)", True),
        ("2.1.219 (Claude Code)", False),
        ("10.0.0 (Claude Code)", False),
        ("", False),
    ],
)
def test_a_claude_too_old_to_be_talked_to_runs_one_way(printed, is_old, tmp_path, settings):
    program = _program(tmp_path / "claude", f"[ $1 = --version ] && echo '{printed}'\n")
    settings.POKECODE_CLAUDE_COMMAND = [str(program)]
    old = AGENTS["claude-code"].launch(Turn("attempt", "/cost", "/nowhere", asks=True))
    assert ("--input-format=stream-json" not in old.command.argv) == is_old
    assert ("--permission-prompt-tool=stdio" not in old.command.argv) == is_old
    assert (old.driver.begin() == [Send(b"\n/cost"), CloseInput()]) == is_old
    old.driver.observe({"type": "result", "subtype": "success", "is_error": False}, "")
    note = old.driver.verdict(0, "").note
    assert ("update it to 2.1.219 or newer." in (note or "")) == is_old


def test_a_claude_too_old_to_be_talked_to_takes_no_images(tmp_path, settings):
    program = _program(tmp_path / "claude", "echo '2.1.218 (Claude Code)'\n")
    settings.POKECODE_CLAUDE_COMMAND = [str(program)]
    turn = Turn("attempt", "Look", "/nowhere", images=[Image("/nowhere/a.png", "image/png")])
    with pytest.raises(ValidationError, match=r"too old for images: update it to 2\.1\.219"):
        AGENTS["claude-code"].launch(turn)


def test_the_version_of_claude_is_asked_for_once_until_it_is_updated(tmp_path, settings):
    program, update = tmp_path / "claude", tmp_path / "update"
    settings.POKECODE_CLAUDE_COMMAND = [str(program)]
    for version in ("1", "2"):
        _program(update, f"echo {version} >> {tmp_path}/asked\n").rename(program)
        for _ in range(2):
            AGENTS["claude-code"].launch(Turn("attempt", "Do it", "/nowhere"))
    assert (tmp_path / "asked").read_text() == "1\n2\n"


def test_claude_reads_the_settings_of_a_trusted_project():
    words = options("claude-code", trusted=True)
    assert not [word for word in words if word.startswith(("--setting-sources", "--strict"))]


def test_codex_is_started_as_a_server_that_looks_for_nothing_elsewhere():
    words = options("codex-cli")
    assert words[0] == "app-server"
    assert {"--disable=plugins", "--disable=unbounded_connection_retries"} <= set(words)


def test_codex_may_ask_questions_only_where_a_person_is_asked():
    questions = "--config=features.default_mode_request_user_input=true"
    assert questions in options("codex-cli", asks=True)
    assert questions not in options("codex-cli")


OLD_CODEX = (
    "[ $1 = --version ] && echo codex-cli 0.168.9",
    "[ $1 = app-server ] && exit 1",
)


@pytest.mark.parametrize("script", OLD_CODEX)
def test_a_codex_too_old_to_be_talked_to_runs_one_way_and_says_so(script, tmp_path, settings):
    settings.POKECODE_CODEX_COMMAND = [str(_program(tmp_path / "codex", f"{script}\n"))]
    turn = Turn("attempt", "Do it", "/nowhere", model="gpt-6", resume=CONVERSATION, asks=True)
    old = AGENTS["codex-cli"].launch(turn)
    words = old.command.argv[1:]
    assert words[0] == "exec"
    assert {"--json", "--model=gpt-6"} <= set(words)
    # A conversation forgets its sandbox, and it must be named before.
    assert words.index("--sandbox=workspace-write") < words.index("resume")
    assert words[-3:] == ["resume", CONVERSATION, "-"]
    assert old.driver.begin() == [Send(b"Do it"), CloseInput()]
    for event in (
        {"type": "thread.started", "thread_id": CONVERSATION},
        {"type": "turn.completed"},
    ):
        old.driver.observe(event, "")
    assert "install 0.169.0 or newer" in (old.driver.verdict(0, "").note or "")


def test_a_codex_too_old_to_be_talked_to_gets_the_effort_and_takes_no_images(tmp_path, settings):
    settings.POKECODE_CODEX_COMMAND = [str(_program(tmp_path / "codex", f"{OLD_CODEX[0]}\n"))]
    old = AGENTS["codex-cli"].launch(Turn("attempt", "Do it", "/nowhere", effort="high"))
    assert '--config=model_reasoning_effort="high"' in old.command.argv
    turn = Turn("attempt", "Look", "/nowhere", images=[Image("/nowhere/a.png", "image/png")])
    with pytest.raises(ValidationError, match=r"too old for images: install 0\.169\.0 or newer"):
        AGENTS["codex-cli"].launch(turn)


@pytest.mark.parametrize(
    ("provider", "setting", "old", "talks"),
    [
        ("claude-code", "POKECODE_CLAUDE_COMMAND", "2.1.218", "--input-format=stream-json"),
        ("codex-cli", "POKECODE_CODEX_COMMAND", "codex-cli 0.168.9", "app-server"),
    ],
)
def test_a_tool_that_did_not_answer_counts_as_new_and_is_asked_again(
    provider, setting, old, talks, tmp_path, settings, monkeypatch
):
    program = _program(tmp_path / "tool", f"[ -e {tmp_path}/slow ] && exec sleep 60\necho {old}\n")
    setattr(settings, setting, [str(program)])
    monkeypatch.setattr(versions, "PATIENCE", 0.2)
    (tmp_path / "slow").touch()
    assert talks in AGENTS[provider].launch(Turn("a", "Do it", "/nowhere")).command.argv
    (tmp_path / "slow").unlink()
    monkeypatch.setattr(versions, "PATIENCE", 30)
    assert talks not in AGENTS[provider].launch(Turn("a", "Do it", "/nowhere")).command.argv


@pytest.mark.parametrize("told", ["codex-cli 0.169.0", "codex-cli 1.0.0-alpha.2", ""])
def test_any_other_codex_is_talked_with(told, tmp_path, settings):
    program = _program(tmp_path / "codex", f"[ $1 = --version ] && echo '{told}'; exit 0\n")
    settings.POKECODE_CODEX_COMMAND = [str(program)]
    assert "app-server" in AGENTS["codex-cli"].launch(Turn("a", "Do it", "/nowhere")).command.argv


@pytest.mark.parametrize("trusted", [False, True])
def test_codex_gets_a_repository_s_filters_blanked_until_it_is_trusted(git_project, trusted):
    config = git_project / ".git/config"
    config.write_text(f'{config.read_text()}[filter "x"]\n\tclean = evil\n')
    command = launch("codex-cli", project_path=str(git_project), trusted=trusted)
    assert ("filter.x.clean" in command.environment.values()) != trusted


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
    assert said(provider, prompt="--help me, sécret") == "--help me, sécret"
    words = launch(provider, prompt="--help me, sécret").argv
    assert not [word for word in words if "help me" in word]


def test_a_leading_slash_is_no_command_of_claude():
    assert said("claude-code", prompt="/cost") == "\n/cost"
    assert said("codex-cli", prompt="/cost") == "/cost"


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
    command = launch("claude-code", context="Speak French.", private_directory=private)
    assert "Speak French." in system_prompt(command)
    [file] = Path(private).iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_context_goes_before_the_first_prompt_of_a_codex_conversation():
    first = said("codex-cli", context="Speak French.")
    assert first.index("Speak French.") < first.index("Do it")
    assert said("codex-cli", context="Speak French.", resume=CONVERSATION) == "Do it"


def test_instructions_of_an_untrusted_project_are_still_read(project, private):
    (project / "CLAUDE.md").write_text("Use tabs.")
    (project / "AGENTS.md").write_text("Use spaces.")
    known = {"project_path": str(project), "private_directory": private}
    assert "Use tabs." in system_prompt(launch("claude-code", **known))
    assert "Use spaces." in said("codex-cli", **known)
    assert not system_prompt(launch("claude-code", **known, trusted=True))
    assert said("codex-cli", **known, trusted=True) == "Do it"


def test_instructions_may_not_lead_out_of_the_project(project, tmp_path, private):
    (tmp_path / "secret").write_text("a private key")
    (project / "CLAUDE.md").symlink_to(tmp_path / "secret")
    os.mkfifo(project / "AGENTS.md")
    known = {"project_path": str(project), "private_directory": private}
    assert not system_prompt(launch("claude-code", **known))
    assert said("codex-cli", **known) == "Do it"


def test_a_symlink_inside_the_project_is_followed(project, private):
    (project / "notes.md").write_text("Use tabs.")
    (project / "CLAUDE.md").symlink_to("notes.md")
    command = launch("claude-code", project_path=str(project), private_directory=private)
    assert "Use tabs." in system_prompt(command)


def test_huge_instructions_are_cut_and_say_so(project, private):
    (project / "CLAUDE.md").write_bytes(b"\xff" + b"x" * (LIMIT + 1))
    command = launch("claude-code", project_path=str(project), private_directory=private)
    text = system_prompt(command)
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
@given(model=hostile, level=hostile, tool=hostile, resume=hostile, path=hostile)
@pytest.mark.parametrize("provider", AGENTS)
def test_no_value_changes_the_shape_of_the_command_line(provider, model, level, tool, resume, path):
    fields = {"allowed_tools": [tool], "model": model, "effort": level, "resume": resume}
    plain = {"allowed_tools": ["Read"], "model": "m", "effort": "high", "resume": CONVERSATION}
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
    command = AGENTS["claude-code"].launch(Turn("attempt", "Do it", str(project))).command
    assert command.argv[0] == str(tmp_path / "bin" / "claude")


@pytest.mark.parametrize("place", ["codex-linux-x64", "codex/node_modules/@openai/codex-linux-x64"])
def test_codex_runs_without_the_wrapper_of_npm(place, tmp_path, settings):
    packages = tmp_path / "node_modules" / "@openai"
    wrapper = _program(packages / "codex" / "bin" / "codex.js")
    native = _program(packages / place / "vendor" / "x86_64-unknown-linux-musl" / "bin" / "codex")
    (tmp_path / "codex").symlink_to(wrapper)
    settings.POKECODE_CODEX_COMMAND = [str(tmp_path / "codex")]
    command = AGENTS["codex-cli"].launch(Turn("attempt", "Do it", "/nowhere")).command
    assert command.argv[0] == str(native)


def _program(path: Path, script: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
    return path
