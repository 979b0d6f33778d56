"""Who is at the shell, and the notes of what is done there."""

import os
import pwd

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db.models import Model

SHELL_ACCOUNT = "shell"
"""Owns the log entries of what is done outside any login; nobody can log in with it."""


def this_user() -> str:
    """The shell's user, by the process and not by what the environment claims."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user {os.getuid()}"
    return f"{name} (shell)"


def log_at_shell(row: Model, note: str, flag: int = CHANGE) -> None:
    """Note in the admin's log what this user has done to the row."""
    account, _ = get_user_model().objects.get_or_create(
        username=SHELL_ACCOUNT, defaults={"is_active": False, "password": make_password(None)}
    )
    LogEntry.objects.log_actions(account.pk, [row], flag, note, single_object=True)
