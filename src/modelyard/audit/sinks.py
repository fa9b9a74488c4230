"""Where checkpoints are kept apart from the record store: a file that only grows, or objects that are only added."""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import fsspec

from modelyard.core import did_you_mean, make_folder, sync_folder

from .errors import CheckpointsUnavailable

_TAIL = 1 << 14


class Sink(Protocol):
    """Takes lines of JSON and gives them back. Nothing that was added is ever changed or removed.

    CheckpointsUnavailable when it cannot be reached.
    """

    @property
    def near(self) -> bool:
        """Whether adding takes a moment: a file on this machine's disks."""

    def add(self, name: str, line: bytes) -> None:
        """Add a line; it survives a power cut from then on. `name` is its own, and sorts by age."""

    def lines(self) -> list[bytes]:
        """Every line, the oldest first. What a power cut has torn is a line too."""

    def newest(self) -> bytes | None:
        """The line that was added last."""


class FileSink:
    """A file of lines."""

    near = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, name: str, line: bytes) -> None:  # noqa: ARG002 - a file has its own order
        try:
            make_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            with os.fdopen(descriptor, "rb+", buffering=0) as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _write_whole(descriptor, (b"\n" if _torn(file) else b"") + line + b"\n")
                os.fsync(descriptor)
            sync_folder(self._path.parent)
        except OSError as error:
            raise _unavailable(str(self._path), error) from error

    def lines(self) -> list[bytes]:
        return self._read(0)

    def newest(self) -> bytes | None:
        return next(reversed(self._read(_TAIL)), None)

    def _read(self, tail: int) -> list[bytes]:
        """The lines of the file, or of so many bytes at its end."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - tail) if tail else 0)
                return [each for each in file.read().split(b"\n") if each.strip()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unavailable(str(self._path), error) from error


class ObjectSink:
    """An object a line, in a folder of any filesystem that fsspec knows."""

    near = False

    def __init__(self, filesystem: Any, root: str, url: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._url = url

    def add(self, name: str, line: bytes) -> None:
        path = f"{self._root}/{name}.json"
        try:
            if not self._filesystem.exists(path):
                self._filesystem.pipe_file(path, line)
        except Exception as error:  # every filesystem has errors of its own
            raise _unavailable(self._url, error) from error

    def lines(self) -> list[bytes]:
        return self._cat(self._names())

    def newest(self) -> bytes | None:
        return next(iter(self._cat(self._names()[-1:])), None)

    def _names(self) -> list[str]:
        try:
            self._filesystem.invalidate_cache()
            return sorted(each for each in self._filesystem.find(self._root) if each.endswith(".json"))
        except FileNotFoundError:
            return []
        except Exception as error:  # see above
            raise _unavailable(self._url, error) from error

    def _cat(self, names: Iterable[str]) -> list[bytes]:
        try:
            return [bytes(self._filesystem.cat_file(each)) for each in names]
        except Exception as error:  # see above
            raise _unavailable(self._url, error) from error


def open_sink(where: str | Path) -> Sink:
    """The sink at a path (a file) or an fsspec URL (a folder of objects; `file://` is a file)."""
    text = str(where)
    if "://" not in text:
        return FileSink(Path(text))
    scheme = text.split("://", 1)[0]
    if scheme == "file":
        return FileSink(Path(text.removeprefix("file://")))
    try:
        filesystem, root = fsspec.core.url_to_fs(text)
    except (ImportError, ValueError) as error:
        known = ["a path", "file", "s3", "gs", "abfs"]
        raise CheckpointsUnavailable(
            f"Checkpoints cannot be kept at '{scheme}': {error}.",
            remedy=f"Correct security.audit_checkpoints. {did_you_mean(scheme, known)}",
        ) from error
    return ObjectSink(filesystem, root, text)


def _write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it: a disk that is almost full may take a part, and say so only by the count."""
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _torn(file: Any) -> bool:
    """Whether a power cut has left the last line without its end."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) != b"\n")


def _unavailable(where: str, error: Exception) -> CheckpointsUnavailable:
    said = str(error) or type(error).__name__
    return CheckpointsUnavailable(
        f"The checkpoints at {where} cannot be reached: {said[:300]}.",
        context={"where": where},
        remedy="Correct security.audit_checkpoints, or the access to it; nothing else waits for them.",
    )
