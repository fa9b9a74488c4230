"""One segment being written."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from modelyard.core import log_event, make_folder, sync_folder
from modelyard.core.locks import unlock

from .frames import HEADER, HEADER_SIZE, encode_frame, new_sync
from .records import Record
from .segments import locked


class OpenSegment:
    """A segment being written, under an exclusive lock that dies with this process. Not safe for several threads.

    A write that fails leaves it unfit for another: `abandon` it, and open the next. Its readers go by byte positions,
    and would be lost if other bytes came to stand where they have read.
    """

    def __init__(self, folder: Path, name: Callable[[], str], *, durable: bool) -> None:
        """Create a file in `folder`, under the first of the names that is free.

        With `durable` it is found again after a power cut. Raises OSError, and then leaves no file.
        """
        make_folder(folder)
        self.path, self._descriptor = _create(folder, name)
        self.sync = new_sync()
        self.size = 0
        self._durable = durable
        try:
            self._write(HEADER + self.sync)
            if durable:
                sync_folder(folder)
        except BaseException:
            self.abandon(0)
            raise

    def write(self, frames: Sequence[bytes]) -> None:
        """Write frames; when it raises, whatever it raises, any part of them may be there: `abandon` the segment."""
        self._write(self.sync + self.sync.join(frames))

    def close(self) -> None:
        """Never write again: whoever seals may have it."""
        with suppress(OSError):  # every byte was written, and flushed if it was to be: nothing is lost
            unlock(self._descriptor)

    def abandon(self, size: int) -> None:
        """Take back all bytes beyond `size`, and close; a segment left without frames is deleted.

        When even that fails it is logged: whole frames of the failed call are then seen, and reading ends with them.
        """
        try:
            if size <= HEADER_SIZE:
                self.path.unlink()
                if self._durable:
                    sync_folder(self.path.parent)
            else:
                os.ftruncate(self._descriptor, size)
                self._flush()
        except OSError as error:
            log_event("journal", "unacknowledged bytes remain", segment=self.path.name, after=size, error=str(error))
        self.close()

    def forget(self) -> None:
        """Close this process's copy of the file: a process it was forked from writes it and keeps the lock."""
        os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        written = os.write(self._descriptor, data)
        while written < len(data):
            more = os.write(self._descriptor, data[written:])
            if more == 0:
                raise OSError(f"only {written} of {len(data)} bytes were written")
            written += more
        self._flush()
        self.size += written

    def _flush(self) -> None:
        if self._durable:
            os.fsync(self._descriptor)


def write_segment(path: Path, records: Sequence[Record]) -> None:
    """Write a whole segment of records of one family, durably; Unrecordable when a value cannot be written.

    Give it a name that is no segment's, and rename it when it is to be read.
    """
    make_folder(path.parent)
    sync = new_sync()
    with path.open("wb") as stream:
        stream.write(HEADER + sync)
        for record in records:
            stream.write(sync + encode_frame(record))
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(path.parent)


def _create(folder: Path, name: Callable[[], str]) -> tuple[Path, int]:
    """A new file and a locked descriptor of it.

    Somebody who seals may take the file between its creation and the lock: then it is theirs, and the next is tried.
    """
    while True:
        path = folder / name()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except FileExistsError:
            continue
        if locked(descriptor, path):
            return path, descriptor
        os.close(descriptor)
