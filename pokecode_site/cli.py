"""The entry point that `manage.py` and the installed `pokecode` command share."""

import os
import sys

from pokecode_site import parent


def main() -> None:
    """Run one management command; a wrong setting ends it with one line and exit code 2."""
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pokecode_site.settings")
    if os.environ.pop(parent.ATTACHED, None):
        parent.follow_parent()
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.configured or settings.INSTALLED_APPS  # noqa: B018 - reads every setting now
    except ImproperlyConfigured as error:
        sys.stderr.write(f"pokecode: {error}\n")
        sys.exit(2)
    execute_from_command_line(sys.argv)
