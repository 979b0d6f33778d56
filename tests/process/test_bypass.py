"""Only the host's own settings widen what an agent may do; no row of the database does."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.process.site import Site, directive


def forge(site: Site, statement: str, *parameters: str) -> None:
    """What somebody with the database's password could write behind our back."""
    path = site.database.data_directory / "pokecode.sqlite3"
    with closing(sqlite3.connect(path, timeout=30)) as link, link:
        link.execute(statement, parameters)


class Prompt:
    """A queued prompt for the fake agent, which notes the arguments that it was started with."""

    def __init__(self, site: Site, provider: str) -> None:
        self.site = site
        self.session = site.session("one", "--provider", provider)
        self.seen = site.projects / "one" / "seen.json"
        self.job = site.submit(self.session, directive(env_dump=str(self.seen)))

    def arguments(self) -> list[str]:
        """Of its command line, and of the conversation that it was to open."""
        self.site.drain()
        seen = json.loads(self.seen.read_text())
        return [*seen["argv"], json.dumps(seen.get("thread"))]


@pytest.mark.parametrize(
    ("provider", "metadata", "kept"),
    [
        ("claude-code", {"permissionMode": "bypassPermissions"}, "--permission-mode=acceptEdits"),
        ("codex-cli", {"sandbox": "danger-full-access"}, "workspace-write"),
    ],
)
def test_a_session_that_asks_for_a_bypass_is_not_heard(site: Site, provider, metadata, kept):
    prompt = Prompt(site, provider)
    statement = "UPDATE sessions SET metadata = ? WHERE id = ?"
    forge(site, statement, json.dumps(metadata), prompt.session)
    arguments = prompt.arguments()
    assert kept in " ".join(arguments)
    assert not {value for value in metadata.values() if value in str(arguments)}


@pytest.mark.parametrize(
    "forged",
    [
        {"permissionMode": "bypassPermissions"},
        {"model": "--dangerously-skip-permissions"},
        {"model": "x --permission-mode=bypassPermissions"},
        {"allowedTools": ["Read", "--dangerously-skip-permissions"]},
        {"allowedTools": ["Read --permission-mode=bypassPermissions"]},
    ],
)
def test_a_job_that_asks_for_a_bypass_fails_and_starts_nothing(site: Site, forged):
    prompt = Prompt(site, "claude-code")
    data = {**json.loads(site.job(prompt.job)["data"]), **forged}
    forge(site, "UPDATE job_queue SET data = ? WHERE id = ?", json.dumps(data), prompt.job)
    site.drain()
    assert site.job(prompt.job)["status"] == "failed"
    assert site.job(prompt.job)["error"]
    assert not prompt.seen.exists()


def test_the_host_may_widen_it(site: Site):
    prompt = Prompt(site, "claude-code")
    site.environment["POKECODE_CLAUDE_PERMISSION_MODE"] = "bypassPermissions"
    assert "--permission-mode=bypassPermissions" in prompt.arguments()
