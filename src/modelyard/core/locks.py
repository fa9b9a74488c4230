"""Locks of files: they die with their holder, however it ends. For processes of one machine, and threads of one.

A lock file stays where it is: between opening one and locking it, whoever held it may have removed it, and then two
would hold two files of one name. `alone_at_once` looks, so that what it locked may be removed.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until nobody else holds it, and hold it for the length of the block. Creates the file and its folder."""
    descriptor = _opened(lock)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        unlock(descriptor)


@contextmanager
def alone_at_once(lock: Path, *, remove: bool = False) -> Iterator[bool]:
    """The same without waiting: whether nobody else holds it. With `remove` the file goes when it is given back."""
    descriptor: int | None = None
    while descriptor is None:
        descriptor = _opened(lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield False
            return
        if not is_still(descriptor, lock):
            unlock(descriptor)
            descriptor = None
    try:
        yield True
    finally:
        if remove:
            lock.unlink(missing_ok=True)
        unlock(descriptor)


@contextmanager
def shared(lock: Path) -> Iterator[None]:
    """Wait until nobody holds it alone, and hold it with others; without it where it cannot be opened to be read."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        unlock(descriptor)


def is_still(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that stands at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def unlock(descriptor: int) -> None:
    """Give up the lock of an open file, and close it.

    Closing alone would leave the lock to a process that was forked meanwhile, which has the same open file.
    """
    with suppress(OSError):  # closing gives it up too
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _opened(lock: Path) -> int:
    lock.parent.mkdir(parents=True, exist_ok=True)
    return os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
