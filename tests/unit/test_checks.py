from types import SimpleNamespace

import pytest

from jobs_app import checks


def found(check) -> list[str]:
    return [message.id for message in check(None)]


@pytest.mark.parametrize(("engine", "ids"), [("sqlite3", []), ("mysql", ["pokecode.E001"])])
def test_a_third_database_is_refused(monkeypatch, engine, ids):
    configured = SimpleNamespace(DATABASES={"default": {"ENGINE": f"django.db.backends.{engine}"}})
    monkeypatch.setattr(checks, "settings", configured)
    assert found(checks.supported_databases) == ids


@pytest.mark.parametrize(("timeout", "ids"), [(15, []), (14, ["pokecode.E002"])])
def test_a_worker_is_not_given_up_before_three_heartbeats(settings, timeout, ids):
    settings.POKECODE_HEARTBEAT_INTERVAL, settings.POKECODE_WORKER_TIMEOUT = 5, timeout
    assert found(checks.worker_timeout) == ids


@pytest.mark.parametrize("host", ["*", ".example.com"])
def test_a_wildcard_among_the_hosts_is_refused(settings, host):
    settings.ALLOWED_HOSTS = ["code.example.com"]
    assert found(checks.exact_hosts) == []
    settings.ALLOWED_HOSTS = ["code.example.com", host]
    assert found(checks.exact_hosts) == ["pokecode.E003"]


def test_each_permission_bypass_is_warned_of(settings):
    assert found(checks.permission_bypass) == []
    settings.POKECODE_CLAUDE_PERMISSION_MODE = "bypassPermissions"
    settings.POKECODE_CODEX_SANDBOX = "danger-full-access"
    assert found(checks.permission_bypass) == ["pokecode.W001"] * 2


@pytest.mark.parametrize(("approvals", "is_told"), [("ask", True), ("deny", False)])
def test_a_bypass_is_asked_about_by_nobody_whatever_the_approvals(settings, approvals, is_told):
    settings.POKECODE_CLAUDE_PERMISSION_MODE = "bypassPermissions"
    settings.POKECODE_APPROVALS = approvals
    [warning] = checks.permission_bypass(None)
    assert ("only questions are asked" in warning.hint) is is_told


@pytest.mark.parametrize(
    ("approvals", "mode", "ids"),
    [
        ("ask", "acceptEdits", []),
        ("deny", "dontAsk", []),
        ("ask", "dontAsk", ["pokecode.W002"]),
    ],
)
def test_to_ask_in_a_mode_that_asks_nobody_is_warned_of(settings, approvals, mode, ids):
    settings.POKECODE_APPROVALS = approvals
    settings.POKECODE_CLAUDE_PERMISSION_MODE = mode
    assert found(checks.nobody_is_asked) == ids


@pytest.mark.parametrize(("seconds", "ids"), [(600, []), (601, ["pokecode.W003"])])
def test_a_process_that_waits_long_is_warned_of(settings, seconds, ids):
    settings.POKECODE_REQUEST_WAIT = seconds
    assert found(checks.long_waits) == ids
