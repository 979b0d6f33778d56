"""What every entry point does before Django: the streams, the umask, the data directory, the key.

Reading the settings changes nothing, so that a linter, an editor or a script may
import them anywhere; what has to be made is made here.
"""

import os

from pokecode_site.conf import data_directory, database, env, streams, umask


def prepare() -> None:
    """Make what the settings rely on, or check it; called again, it changes nothing.

    Raises ImproperlyConfigured in one line that names the wrong setting.
    """
    streams.open_closed()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pokecode_site.settings")
    umask.make_private()
    directory = data_directory.path()
    data_directory.make(directory)
    if not env.secret("POKECODE_SECRET_KEY"):
        data_directory.make_key(directory)
    database.check_files(database.configuration(database.url(directory)))
