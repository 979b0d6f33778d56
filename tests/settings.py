"""The site's own settings, on throw-away databases, with warnings on what production never sees."""

import atexit
import os
import shutil
import tempfile

if "POKECODE_DATA_DIR" not in os.environ:
    os.environ["POKECODE_DATA_DIR"] = tempfile.mkdtemp(prefix="pokecode-tests-")
    atexit.register(shutil.rmtree, os.environ["POKECODE_DATA_DIR"], ignore_errors=True)

from pokecode_site.conf import start  # noqa: E402

start.prepare()  # as every entry point does

from pokecode_site.settings import *  # noqa: E402, F403
from pokecode_site.settings import DATABASES, POKECODE_DATA_DIR  # noqa: E402

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file: threads and processes of a test share it, as they do in life.
    DATABASES["default"]["TEST"] = {"NAME": str(POKECODE_DATA_DIR / "test.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
