"""The names that the site answers to."""

import hashlib
import hmac
import os

from django.core.exceptions import ImproperlyConfigured

from pokecode_site.conf import env


def allowed(*, is_private: bool, key: str) -> list[str]:
    """The names in the environment, or one that nobody can guess who does not have the key.

    Browsers send a login to every port of its name. A program that another user of this machine
    runs gets it only if it can name the site.
    """
    named = env.hosts(
        "POKECODE_ALLOWED_HOSTS", ["pokecode.localhost", "localhost", "127.0.0.1", "[::1]"]
    )
    if not is_private:
        return named
    if os.environ.get("POKECODE_ALLOWED_HOSTS", "").strip():
        raise ImproperlyConfigured(
            "POKECODE_PRIVATE_NAME and POKECODE_ALLOWED_HOSTS exclude each other: "
            "set only one of them."
        )
    label = hmac.new(key.encode(), b"private name", hashlib.sha256).hexdigest()[:20]
    return [f"pokecode-{label}.localhost"]
