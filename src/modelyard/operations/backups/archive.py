"""A backup as a file: a tar whose last member lists every other with its SHA-256, so that a part of one is told."""

import hashlib
import os
import tarfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from .errors import BackupDamaged

FORMAT = 1
LISTING = "modelyard-backup.json"
_UNLIMITED = 1 << 30
"""Bytes that a listing may have."""


@dataclass(frozen=True)
class Listing:
    """What a backup holds: its members by name with their digests, and what lies in stores of other machines."""

    format: int
    version: str
    project: str
    taken_at: str
    workspace: str
    records: int
    beyond: tuple[str, ...]
    members: dict[str, str] = field(default_factory=dict)


class _Hashed:
    """Bytes on their way from a file, counted into a digest. Never more than `size`: files may be growing."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._sha = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._sha.update(data)
        return data

    @property
    def digest(self) -> str:
        return self._sha.hexdigest()


class Taking:
    """A backup being written."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.members: dict[str, str] = {}

    def add(self, name: str, path: Path) -> None:
        """Take a file as it is now: what is appended meanwhile is not in it, and one that is gone is left out."""
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            return
        with stream:
            told = self._tar.gettarinfo(arcname=name, fileobj=stream)
            hashed = _Hashed(stream)
            self._tar.addfile(_anonymous(told), hashed)
            self.members[name] = hashed.digest


@contextmanager
def taking(into: Path) -> Iterator[Taking]:
    """Write a backup, readable by its owner alone; it appears whole, when the block ends well, or not at all."""
    partial = into.with_name(f".{into.name}.partial")
    try:
        with _private(partial) as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                yield Taking(tar)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(into)
    finally:
        partial.unlink(missing_ok=True)


def read_listing(file: Path) -> Listing:
    """The listing of a backup; BackupDamaged for what is none, or ends too early."""
    with _opened(file) as tar:
        last = next(iter(deque(tar, maxlen=1)), None)
        if last is None or last.name != LISTING or last.size > _UNLIMITED or (stream := tar.extractfile(last)) is None:
            raise BackupDamaged(f"{file} ends before its listing: it is a part of a backup, or none.", remedy=_ANOTHER)
        try:
            raw = msgspec.json.decode(stream.read())
            if raw["format"] != FORMAT:
                raise BackupDamaged(
                    f"{file} has format {raw['format']}; this version of Modelyard reads {FORMAT}.",
                    remedy=f"Restore it with Modelyard {raw['version']}.",
                )
            return msgspec.convert(raw, Listing)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise BackupDamaged(f"The listing of {file} cannot be read: {error}.", remedy=_ANOTHER) from error


def extract(file: Path, listing: Listing, into: Path) -> None:
    """Write every member below a folder, and find each to be what the listing says."""
    left = dict(listing.members)
    with _opened(file) as tar:
        for member in tar:
            if member.name == LISTING:
                break
            if not member.isreg() or left.pop(member.name, None) is None or not _inside(member.name):
                raise BackupDamaged(f"{file} holds '{member.name[:200]}', which it does not list.", remedy=_ANOTHER)
            if _written(tar, member, into / member.name) != listing.members[member.name]:
                raise BackupDamaged(f"'{member.name}' in {file} is not what was taken.", remedy=_ANOTHER)
    if left:
        raise BackupDamaged(f"{file} lacks '{min(left)}' and {len(left) - 1} more that it lists.", remedy=_ANOTHER)


_ANOTHER = "Take another copy of it, or an older backup."


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _anonymous(told: tarfile.TarInfo) -> tarfile.TarInfo:
    told.uid = told.gid = 0
    told.uname = told.gname = ""
    return told


def _inside(name: str) -> bool:
    parts = Path(name).parts
    return not Path(name).is_absolute() and ".." not in parts and "\\" not in name


def _written(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    source: Any = tar.extractfile(member)
    hashed = _Hashed(source)
    with _private(target) as stream:
        while data := hashed.read(1 << 20):
            stream.write(data)
        os.fchmod(stream.fileno(), member.mode & 0o700 | member.mode & 0o044)
    return hashed.digest


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as tar:
            yield tar
    except FileNotFoundError as error:
        raise BackupDamaged(f"There is no file {file}.", remedy="Name the file that modelyard backup wrote.") from error
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BackupDamaged(f"{file} cannot be read as a backup: {error}.", remedy=_ANOTHER) from error
