"""Reading files that somebody else wrote and may be changing."""

import os
import stat


def read_start(path: str | os.PathLike[str], limit: int, *, follow_link: bool = True) -> bytes:
    """At most `limit` bytes of a regular file; OSError if it is not one, or is a forbidden link.

    Never waits, as opening a pipe would.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags if follow_link else flags | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is not a regular file")
        return bytes(file.read(limit))
