"""Who is at the shell: for what is noted of the people who act there."""

import os
import pwd


def this_user() -> str:
    """The shell's user, by the process and not by what the environment claims."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user {os.getuid()}"
    return f"{name} (shell)"
