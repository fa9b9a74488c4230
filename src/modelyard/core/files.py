"""Files that appear whole or not at all: write, fsync, rename."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def atomic_write(path: Path, data: bytes | memoryview, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace `path` by `data` in one step, so that readers see the old bytes or the new, never a part.

    With `durable` the new bytes and the folder entry are forced to the disk before returning, so that they also
    survive a power cut. Creates the folder, and those above it. Concurrent writers: the last rename wins.
    """
    with atomic_stream(path, mode=mode, durable=durable) as stream:
        stream.write(data)


@contextmanager
def atomic_stream(path: Path, *, mode: int = 0o644, durable: bool = True) -> Iterator[BinaryIO]:
    """The same for bytes that come one after the other; `path` is left alone when the block raises."""
    make_folder(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if durable:
                os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, so that they are found again after a power cut.

    Raises OSError, and then what is not on the disk for certain is made by the next call.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        try:
            sync_folder(each.parent)
        except OSError:
            with suppress(OSError):  # somebody else has put something into it: he made it too
                each.rmdir()
            raise


def sync_tree(folder: Path) -> None:
    """Force a folder to the disk with all that is below it, before a rename that makes it count."""
    for each in folder.rglob("*"):
        if each.is_file():
            descriptor = os.open(each, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        else:
            sync_folder(each)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk, after a rename inside it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
