"""The real Claude Code and Codex, found for tests and pointed at a model server of ours."""

import os
import shutil
from pathlib import Path

import pytest

CLAUDE_PACKAGE = "@anthropic-ai/claude-code@2.1.330"
CODEX_PACKAGE = "@openai/codex@0.169.0"

KEY = "dummy-key-of-the-tests"

CODEX_CONFIG = """\
model_provider = "local"
model = "gpt-5.5"

[model_providers.local]
name = "local"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "LOCAL_API_KEY"
request_max_retries = 0
stream_max_retries = 0
"""


def claude() -> str:
    """The path of `claude`; skips the test where it is missing."""
    return _find("POKECODE_TEST_CLAUDE", "claude", CLAUDE_PACKAGE)


def codex() -> str:
    """The path of `codex`; skips the test where it is missing."""
    return _find("POKECODE_TEST_CODEX", "codex", CODEX_PACKAGE)


def _find(variable: str, command: str, package: str) -> str:
    found = shutil.which(os.environ.get(variable) or command)
    if found is None:
        pytest.skip(f"needs the real {command}: npm install {package}, or set {variable}")
    return found


def environment(home: Path, url: str) -> dict[str, str]:
    """A clean environment for both tools, talking to the model server at `url` only.

    Failures come after one quick retry, where by themselves the tools try for minutes.
    """
    codex_home = home / ".codex"
    codex_home.mkdir(parents=True, exist_ok=True)
    (codex_home / "config.toml").write_text(CODEX_CONFIG.format(url=url))
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "CODEX_HOME": str(codex_home),
        "LOCAL_API_KEY": KEY,
    }
