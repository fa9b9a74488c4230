"""Reading files that somebody else may have put there: regular ones alone, and never through a link."""

import errno
import os
import stat
from pathlib import Path

from .errors import BundleDamaged


def read_regular(path: Path, *, at_most: int | None = None) -> bytes:
    """The bytes of a regular file with one name; BundleDamaged for links of either kind, pipes, sockets and devices.

    A file that has a second name elsewhere could be written there. A pipe is not waited for. `at_most` bounds the size.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _damaged(path, "is a link") from error
        if error.errno in (errno.ENXIO, errno.EOPNOTSUPP):
            raise _damaged(path, "is no regular file") from error
        raise _damaged(path, f"cannot be read ({error.strerror})") from error
    try:
        if why := _why_not(os.fstat(descriptor), at_most):
            raise _damaged(path, why)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _why_not(found: os.stat_result, at_most: int | None) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "is no regular file"
    if found.st_nlink > 1:
        return f"is a link: the file has {found.st_nlink} names"
    if at_most is not None and found.st_size > at_most:
        return f"has {found.st_size} bytes, more than the {at_most} that it may have"
    return ""


def _damaged(path: Path, what: str) -> BundleDamaged:
    return BundleDamaged(
        f"The bundle in {path.parent} is damaged: {path.name!r} {what}.",
        context={"folder": str(path.parent)},
        remedy="Fetch it again from the artifact store; never edit a bundle.",
    )
