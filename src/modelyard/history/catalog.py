"""The catalog: which files are the log, as one value that is replaced in one step.

Every change of the log (sealing, compaction, retention, redaction) writes new files, then a new catalog, and only then
deletes what the new catalog no longer names. A crash in between leaves files that no catalog names, which nothing reads
and `sweep` deletes. Catalogs are numbered, the greatest holds; a reader keeps a shared lock on the one it reads by, and
no file that a locked catalog names is deleted.
"""

import fcntl
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from modelyard.core import atomic_write, sync_folder
from modelyard.core.locks import is_still, unlock
from modelyard.journal import Family

from .errors import CatalogDamaged
from .features import Kind

NO_DAY = "none"
"""The day of truths whose prediction id tells no time."""

_NAME = re.compile(r"catalog-(\d{12})\.json")


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One Parquet file: where it is, what it holds, and between which bounds.

    `day` is of a truth that of its prediction, as the id tells. `first_segment` orders files by when their oldest
    record was written. `sources` are the segments it was sealed from, while it was not compacted. `later` are those of
    `tables.LATER` that it has. `footer` is the CRC-32 of what describes its columns and row groups.
    """

    name: str
    family: Family
    deployment: str
    day: str
    version: str
    rows: int
    size: int
    sha256: str
    first_us: int
    last_us: int
    first_segment: str
    first_id: str = ""
    last_id: str = ""
    answered: int = 0
    kinds: tuple[Kind, ...] = ()
    redacted: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    footer: str = ""

    @property
    def partition(self) -> tuple[str, str, str, str]:
        """What the records of a file have in common."""
        return self.family, self.deployment, self.day, self.version


class Catalog(msgspec.Struct, frozen=True):
    """The files of the log. `consumed` are segments whose records they hold, and which may not be deleted yet.

    `format` is the version of the catalog and of the files it names. To change it, teach `_read` the one before: logs
    live long.
    """

    number: int = 0
    entries: tuple[Entry, ...] = ()
    consumed: frozenset[str] = frozenset()
    format: Literal[1] = 1

    def of(self, family: Family) -> list[Entry]:
        """The files of one family."""
        return [each for each in self.entries if each.family == family]


_DECODER = msgspec.json.Decoder(Catalog)
_ENCODER = msgspec.json.Encoder(order="deterministic")


class Catalogs:
    """The catalogs in a folder. Reading is safe for several threads and processes; one at a time may `commit`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = Catalog()

    def current(self) -> Catalog:
        """The catalog that holds now; an empty one before the first."""
        with self.held() as catalog:
            return catalog

    @contextmanager
    def held(self) -> Iterator[Catalog]:
        """The catalog that holds now; for the length of the block none of its files is deleted."""
        while (path := self._newest()) is not None:
            descriptor = _shared(path)
            if descriptor is None:  # a newer one has taken its place meanwhile
                continue
            try:
                yield self._parsed(path)
            finally:
                unlock(descriptor)
            return
        yield Catalog()

    def commit(self, catalog: Catalog) -> Catalog:
        """Make a catalog the one that holds, durably, and delete the files that no catalog in use names any more."""
        before = self._newest()
        body = _ENCODER.encode(catalog)
        atomic_write(self._folder / f"catalog-{catalog.number:012d}.json", b"%08x\n%s" % (zlib.crc32(body), body))
        if before is not None:
            old = {each.name for each in self._parsed(before).entries}
            self._delete(old - {each.name for each in catalog.entries})
        self._known = catalog
        return catalog

    def settle(self) -> None:
        """Make sure that the catalog that holds is found after a power cut; OSError when the disk does not say so.

        To be done before anything is deleted because of a catalog that somebody else may have written, or a `commit`
        that the disk failed behind the rename.
        """
        sync_folder(self._folder)

    def sweep(self) -> int:
        """Delete catalogs that hold no longer and that nobody reads by, then all files that none in use names, those of
        crashes too. Returns how many files were deleted.
        """
        self.settle()
        found = (path for kind in ("*.parquet", "*.tmp") for path in self._folder.glob(f"*/*/*/{kind}"))
        return self._delete({str(path.relative_to(self._folder)) for path in found})

    def _delete(self, names: set[str]) -> int:
        """Delete old catalogs that nobody reads by, then such of the files that none in use names."""
        every = sorted(self._all())
        kept = [path for path in every[:-1] if not _deleted(path)] + every[-1:]
        used = {each.name for path in kept for each in self._parsed(path).entries}
        for name in names - used:
            (self._folder / name).unlink(missing_ok=True)
        return len(names - used)

    def _newest(self) -> Path | None:
        return max(self._all(), default=None)

    def _all(self) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if _NAME.fullmatch(path.name)]
        except FileNotFoundError:
            return []

    def _parsed(self, path: Path) -> Catalog:
        """A catalog's content, decoded once while it is the last one asked for."""
        known = self._known
        if known.number != _number(path):
            known = self._known = _read(path)
        return known


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("catalog-"))


def _read(path: Path) -> Catalog:
    checksum, _, body = path.read_bytes().partition(b"\n")
    try:
        if checksum != b"%08x" % zlib.crc32(body):
            raise ValueError("checksum mismatch")
        return _DECODER.decode(body)
    except (ValueError, msgspec.MsgspecError) as error:
        raise CatalogDamaged(
            f"{path} is damaged ({str(error)[:120]}), and without it nobody can tell which files are the log.",
            context={"file": str(path)},
            remedy="Restore the log's folder from a backup. Servers go on writing: what they write meanwhile is kept.",
        ) from error


def _shared(path: Path) -> int | None:
    """A descriptor of a catalog with a shared lock; None when it was deleted."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits a moment at most: who has it alone is deleting it
    if is_still(descriptor, path):
        return descriptor
    unlock(descriptor)
    return None


def _deleted(path: Path) -> bool:
    """Whether an old catalog is gone; one that somebody reads by stays."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except BlockingIOError:
        return False
    finally:
        unlock(descriptor)
    return True
