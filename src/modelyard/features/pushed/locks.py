"""Locks of a log's folder: they die with their holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard.journal import unlock

APPENDING, COMPACTING, READING = ".appending", ".compacting", ".reading"
"""Held alone while a file gets its name; alone by whoever merges; shared by readers, alone while files are deleted."""


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Wait for a lock, and hold it alone. Creates the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        unlock(descriptor)


@contextmanager
def alone_at_once(folder: Path, name: str) -> Iterator[bool]:
    """The same without waiting: whether nobody else holds it."""
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        unlock(descriptor)


@contextmanager
def shared(folder: Path, name: str) -> Iterator[None]:
    """Wait for a lock, and hold it with others; without it in a folder that cannot be written, where nobody deletes."""
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        unlock(descriptor)
