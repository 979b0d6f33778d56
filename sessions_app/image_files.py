"""The images of prompts: files in the data directory, named by the SHA-256 of their bytes.

The same picture is one file, however often it is sent. Its type is what its first bytes say; the
name that it had, and the type that a browser claims, are never used. Nothing here decodes it, so
a bomb stays folded, and nothing is taken out: what a camera noted in it (EXIF) is kept and sent.

Rows name these files. So that none is removed while a row that names it is being written, that
is done under `held`, and `remove` leaves all where they are meanwhile.
"""

import errno
import fcntl
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError

from sessions_app.ids import new_id
from sessions_app.providers.pictures import MOST, TYPES, signed_type
from sessions_app.validation import printable

LARGEST = 5 * 1024 * 1024
"""Bytes of one image: what the agents' models take."""

MOST_TOGETHER = 20 * 1024 * 1024
"""Bytes of one prompt's images: as base64 they stay below the 32 MB of a request."""

TOO_LARGE = "The image is over 5 MB: send a smaller one."
WRONG_TYPE = "This is no image that agents read: send a PNG, JPEG, GIF or WebP."
TOO_MANY = f"A prompt may have {MOST} images of 20 MB together: send fewer or smaller ones."
GONE = (
    "An image of this prompt is not in the data directory of this host: add the image again, or, "
    "where the prompt was queued on another host, queue it on this one."
)
CHANGED = "An image of this prompt was changed on the disk: add the image again."
BUSY = "The directory of the images is in use: try again in a moment."

PATIENCE = 5.0
"""Seconds that somebody who queues a prompt waits for a sweep to end."""

FILE_NAME = re.compile(r"([0-9a-f]{64})\.(png|jpeg|gif|webp)")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image: the SHA-256 of its bytes, its type such as `image/png`, how many bytes."""

    hash: str
    type: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Raises ValidationError for what is no image that is taken."""
        if len(content) > LARGEST:
            raise ValidationError(TOO_LARGE)
        kind = signed_type(content)
        if not kind:
            raise ValidationError(WRONG_TYPE)
        return cls(hashlib.sha256(content).hexdigest(), kind, len(content))

    @property
    def name(self) -> str:
        return f"{self.hash}.{self.type.removeprefix('image/')}"

    @property
    def path(self) -> Path:
        return directory() / self.name

    def data(self) -> dict[str, Any]:
        """As rows and messages name it."""
        return asdict(self)


def directory() -> Path:
    return Path(settings.POKECODE_DATA_DIR) / "images"


def parse(value: Any) -> list[ImageFile]:
    """The images that a row or a message names; ValidationError if it has not our form."""
    if not isinstance(value, list):
        raise ValidationError("Images must be a list.")
    images = [_parse_one(each) for each in value]
    if len(images) > MOST or sum(image.size for image in images) > MOST_TOGETHER:
        raise ValidationError(TOO_MANY)
    return images


def _parse_one(value: Any) -> ImageFile:
    try:
        image = ImageFile(**value)
        is_known = image.type in TYPES and FILE_NAME.fullmatch(image.name)
        is_right = is_known and isinstance(image.size, int) and image.size >= 0
    except (TypeError, AttributeError):
        is_right = False
    if not is_right:
        raise ValidationError("An image must have a hash, a type and a size.")
    return image


# --- keeping ------------------------------------------------------------------


def store(content: bytes) -> ImageFile:
    """Keep an image, for a day if no row names it; ValidationError if it is not taken."""
    image = ImageFile.of(content)
    with _locked(fcntl.LOCK_SH, PATIENCE) as found, _told():
        if not _is_intact(image):
            _write(image, content)
        os.utime(image.path)
        os.fsync(found)
    return image


def store_file(path: str | os.PathLike[str]) -> ImageFile:
    """Keep a copy of a file; ValidationError if it cannot be read or is not taken."""
    try:
        # A pipe or a device would be waited for, or have no end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValidationError(f"'{printable(os.fspath(path))}' is not a file.")
            content = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is wrong"
        name = printable(os.fspath(path))
        raise ValidationError(f"The image '{name}' cannot be read: {reason}.") from None
    try:
        return store(content)
    except ValidationError as refusal:
        name = printable(os.fspath(path))
        raise ValidationError(f"'{name}': {refusal.messages[0]}") from None


def _write(image: ImageFile, content: bytes) -> None:
    """Under another name first: nobody sees half an image, and it is there after a power cut."""
    draft = directory() / f"{new_id()}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        draft.replace(image.path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def held(images: Sequence[ImageFile] = ()) -> Iterator[None]:
    """While a row that names these images is written, until it is committed, nothing is removed.
    Raises ValidationError if one of them is gone."""
    with _locked(fcntl.LOCK_SH, PATIENCE):
        for image in images:
            try:
                os.utime(image.path)
            except FileNotFoundError:
                raise ValidationError(GONE) from None
        yield


@contextmanager
def _locked(kind: int, patience: float) -> Iterator[int]:
    """A lock on the directory, which is made if need be."""
    with _told():
        directory().mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(directory(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _told():
            _lock(descriptor, kind, time.monotonic() + patience)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _told() -> Iterator[None]:
    """What the disk refuses, in a sentence."""
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if is_full else error.strerror
        raise ValidationError(f"The image cannot be kept: {reason}.") from None


def _lock(descriptor: int, kind: int, deadline: float) -> None:
    """Never for ever: who holds the lock may be frozen."""
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        if time.monotonic() >= deadline:
            raise ValidationError(BUSY)
        time.sleep(0.02)


# --- using --------------------------------------------------------------------


def read(image: ImageFile) -> bytes:
    """Its bytes, exactly; ValidationError if it is gone or not what it was."""
    try:
        descriptor = os.open(image.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise ValidationError(GONE) from None
    except OSError as error:
        reason = error.strerror
        raise ValidationError(f"An image of this prompt cannot be read: {reason}.") from None
    if hashlib.sha256(content).hexdigest() != image.hash:
        raise ValidationError(CHANGED)
    return content


def _is_intact(image: ImageFile) -> bool:
    try:
        return bool(read(image))
    except ValidationError:
        return False


# --- removing -----------------------------------------------------------------


def remove(
    named: Callable[[], set[str]], *, of: Iterable[str] | None = None, older_than: float = 0
) -> int:
    """Remove the files whose hashes `named` does not return, and that were not used for
    `older_than` seconds; only those `of` these hashes, if given. Returns how many.

    While somebody queues an image nothing is removed: the next sweep comes.
    """
    try:
        with _locked(fcntl.LOCK_EX, 0):
            files = _files(set(of) if of is not None else None, time.time() - older_than)
            kept = named() if files else set()
            unused = [file for file in files if file.name[:64] not in kept]
            for file in unused:
                file.unlink(missing_ok=True)
            return len(unused)
    except ValidationError:
        return 0


def _files(of: set[str] | None, used_before: float) -> list[Path]:
    """Those that may be removed; half-written ones too, where no hashes are given."""
    found = []
    for entry in os.scandir(directory()):
        known = FILE_NAME.fullmatch(entry.name)
        is_wanted = (of is None) if not known else (of is None or known[1] in of)
        if is_wanted and entry.stat(follow_symlinks=False).st_mtime <= used_before:
            found.append(Path(entry.path))
    return found
