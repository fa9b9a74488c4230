"""From what the caller names (a file, a list, a glob, a folder, a URL) to the files that are read, in a fixed order."""

import errno
import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import fsspec

from modelyard.core import did_you_mean

from .complaints import mapped, unreadable

_WILD = frozenset("*?[")


@dataclass(frozen=True)
class File:
    """One file: `name` as messages have it, a path or a URL of fsspec."""

    name: str

    @property
    def is_local(self) -> bool:
        return not _is_url(self.name)

    def open(self) -> BinaryIO:
        """A stream of its bytes as stored, which can seek where the store can. What the store raises comes through."""
        if self.is_local:
            return Path(self.name).open("rb")
        stream: BinaryIO = fsspec.open(self.name, "rb").open()
        return stream

    def size(self, stream: BinaryIO) -> int | None:
        """Bytes as stored, None when the store does not tell."""
        if self.is_local:
            return os.fstat(stream.fileno()).st_size
        found = getattr(stream, "size", None)
        return found if isinstance(found, int) else None


def resolve(source: str | Path | Sequence[str | Path]) -> list[File]:
    """The files of a source: those of a list in its order, those of a glob or a folder sorted by name.

    A folder gives the files directly in it, those hidden (`.name`, `_name`) left out. UnreadableData when there is
    none, with the nearest names beside it.
    """
    if not isinstance(source, (str, Path)):
        files = [file for each in source for file in resolve(each)]
        if not files:
            raise unreadable("the list of files is empty.", "nothing")
        return files
    name = str(source)
    with mapped(name):
        return _remote(name) if _is_url(name) else _local(name.removeprefix("file://"))


def _is_url(name: str) -> bool:
    return ("://" in name and not name.startswith("file://")) or "::" in name


def _local(name: str) -> list[File]:
    path = Path(name)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return _absent(path, error)
    if stat.S_ISDIR(mode):
        return _folder(path)
    if not stat.S_ISREG(mode):
        raise unreadable("it is no regular file but a device, pipe or socket.", name)
    return [File(name)]


def _absent(path: Path, error: OSError) -> list[File]:
    name = str(path)
    if error.errno == errno.ELOOP:
        raise unreadable("its links lead in a circle.", name) from error
    if path.is_symlink():
        raise unreadable(f"it is a link to {path.readlink()}, which is not there.", name) from error
    if _WILD & set(name):
        found = sorted(each for each in glob.glob(name, recursive=True) if Path(each).is_file())  # noqa: PTH207
        if found:
            return [file for each in found for file in _local(each)]
        raise unreadable("no file matches.", name) from error
    if isinstance(error, PermissionError):
        raise error
    if error.errno == errno.ENAMETOOLONG:
        raise unreadable("the name is too long.", name) from error
    parent = path.parent
    if not parent.is_dir():
        raise unreadable(f"there is no folder {parent}.", name) from error
    beside = [each.name for each in parent.iterdir()]
    raise unreadable("there is no such file.", name, remedy=did_you_mean(path.name, beside)) from error


def _folder(path: Path) -> list[File]:
    inside = sorted(each for each in path.iterdir() if not each.name.startswith((".", "_")))
    return _listed(str(path), [str(each) for each in inside if each.is_dir()], [str(each) for each in inside])


def _listed(name: str, folders: list[str], inside: list[str]) -> list[File]:
    if folders:
        remedy = "Name its files, or a glob such as FOLDER/**/*.parquet."
        raise unreadable(f"the folder has folders inside, such as {folders[0]}.", name, remedy=remedy)
    if not inside:
        raise unreadable("the folder holds no files.", name)
    return [file for each in inside for file in ([File(each)] if _is_url(each) else _local(each))]


def _remote(name: str) -> list[File]:
    scheme = name.partition("://")[0]
    if "::" in name or scheme in ("http", "https"):
        return [File(name)]
    filesystem, path = fsspec.core.url_to_fs(name)
    if filesystem.isfile(path):
        return [File(name)]
    if filesystem.isdir(path):
        entries = filesystem.ls(path, detail=True)
        kept = sorted((each["name"].rstrip("/"), each["type"]) for each in entries)
        kept = [each for each in kept if not each[0].rpartition("/")[2].startswith((".", "_"))]
        urls = [filesystem.unstrip_protocol(each) for each, _ in kept]
        return _listed(name, [each for each, kind in kept if kind == "directory"], urls)
    if _WILD & set(path):
        found = sorted(each for each in filesystem.glob(path) if filesystem.isfile(each))
        if found:
            return [File(filesystem.unstrip_protocol(each)) for each in found]
        raise unreadable("no file matches.", name)
    raise unreadable("there is no such file.", name)
