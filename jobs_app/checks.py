"""System checks of settings that are wrong only together, or in your own settings module.

The environment's values were checked one by one when the settings read them.
"""

from typing import Any

from django.conf import settings
from django.core import checks


@checks.register
def supported_databases(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
    if engine in {"sqlite3", "postgresql"}:
        return []
    return [
        checks.Error(
            f"PokéCode does not support the database {engine!r}.",
            hint="Set DATABASE_URL to a PostgreSQL URL, or leave it unset for SQLite.",
            id="pokecode.E001",
        )
    ]


@checks.register
def worker_timeout(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    if settings.POKECODE_WORKER_TIMEOUT >= 3 * settings.POKECODE_HEARTBEAT_INTERVAL:
        return []
    return [
        checks.Error(
            "POKECODE_WORKER_TIMEOUT is less than three times POKECODE_HEARTBEAT_INTERVAL.",
            hint="A worker that is only slow would be considered dead: raise the timeout.",
            id="pokecode.E002",
        )
    ]


@checks.register
def exact_hosts(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    if not any(host.startswith(("*", ".")) for host in settings.ALLOWED_HOSTS):
        return []
    return [
        checks.Error(
            "POKECODE_ALLOWED_HOSTS holds a wildcard.",
            hint="Name each host: a wildcard lets any web site reach this one by DNS rebinding.",
            id="pokecode.E003",
        )
    ]


@checks.register
def permission_bypass(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    bypasses = {
        "POKECODE_CLAUDE_PERMISSION_MODE": "bypassPermissions",
        "POKECODE_CODEX_SANDBOX": "danger-full-access",
    }
    still_asked = " POKECODE_APPROVALS=ask changes nothing about it: only questions are asked."
    return [
        checks.Warning(
            f"{name} is {value}: agents act without asking and without a sandbox.",
            hint="Use this only in a container or on a machine that you can afford to lose."
            + (still_asked if settings.POKECODE_APPROVALS == "ask" else ""),
            id="pokecode.W001",
        )
        for name, value in bypasses.items()
        if getattr(settings, name) == value
    ]


@checks.register
def nobody_is_asked(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    asks = settings.POKECODE_APPROVALS == "ask"
    if not asks or settings.POKECODE_CLAUDE_PERMISSION_MODE != "dontAsk":
        return []
    return [
        checks.Warning(
            "POKECODE_APPROVALS is ask, but POKECODE_CLAUDE_PERMISSION_MODE is dontAsk: "
            "Claude Code refuses what needs a permission, and nobody is asked.",
            hint="Choose another permission mode, or set POKECODE_APPROVALS=deny.",
            id="pokecode.W002",
        )
    ]


LONG_WAIT = 600
"""Seconds. Longer waits of claude's were not measured to end well."""


@checks.register
def long_waits(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    if settings.POKECODE_REQUEST_WAIT <= LONG_WAIT:
        return []
    return [
        checks.Warning(
            "POKECODE_REQUEST_WAIT is over 10 minutes.",
            hint="An agent that waits keeps its slot and up to 200 MB of memory; parked, it needs "
            "neither, and no question is lost.",
            id="pokecode.W003",
        )
    ]
