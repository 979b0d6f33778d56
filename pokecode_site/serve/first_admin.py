"""The first superuser: made at the terminal, so that nobody can claim it over the network."""

import os
import secrets

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

NAME = "admin"
PASSWORD_VARIABLE = "POKECODE_ADMIN_PASSWORD"  # noqa: S105 - the variable's name


def create_first_admin() -> str | None:
    """Make the superuser `admin` if there is no superuser; returns what to print about it.

    The password comes from POKECODE_ADMIN_PASSWORD, which is removed from the environment of
    what we start, or else is generated. Raises CommandError.
    """
    users = get_user_model().objects
    chosen = os.environ.pop(PASSWORD_VARIABLE, "")
    if users.filter(is_superuser=True).exists():
        return None
    if users.filter(username=NAME).exists():
        raise CommandError(
            f"The user {NAME!r} exists but is not a superuser: run "
            "`manage.py createsuperuser` first."
        )
    password = chosen or secrets.token_urlsafe(12)
    shown = f"from {PASSWORD_VARIABLE}" if chosen else f"{password} (shown this once)"
    user = get_user_model()(username=NAME)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(f"{PASSWORD_VARIABLE}: {' '.join(error.messages)}") from None
    users.create_superuser(NAME, password=password)
    return f"First admin: {NAME}, password {shown}"
