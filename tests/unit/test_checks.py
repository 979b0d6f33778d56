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
