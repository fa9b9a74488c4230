"""The log's files in object storage, or any folder that fsspec reaches: a mirror that follows compaction and redaction.

Files lie there as here, by family, deployment and day; names begin with the log's own id, so that several machines may
ship to one place. `log-<id>.json` lists those that count: it is written after the files it names, and only then are
those deleted that others took the place of. What retention deletes here stays there.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from logging import WARNING
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import fsspec
import msgspec
import numpy as np

from modelyard.core import atomic_write, did_you_mean, log_event, make_folder
from modelyard.journal import FAMILIES, Family

from .. import sealing
from ..catalog import Catalog, Catalogs, Entry
from ..errors import ObjectsUnavailable, UnknownDestination
from ..sound import is_sound
from .alone import alone
from .cursor import FOLDER, Cursor, cursor_file, where_written
from .ship import Shipped, told_lost


class _Object(msgspec.Struct, frozen=True):
    """A file that is there, by its path below the URL."""

    path: str
    family: Family
    deployment: str
    day: str
    version: str
    rows: int
    size: int
    sha256: str

    @property
    def partition(self) -> tuple[str, str, str, str]:
        """As `Entry.partition`."""
        return self.family, self.deployment, self.day, self.version


class _Listing(msgspec.Struct, frozen=True):
    """The files of a log that count."""

    log: str
    files: tuple[_Object, ...] = ()


class ObjectShipper:
    """Keeps the files of the log in `folder` at a URL too; each is there whole, or not at all.

    A file is written under another name and moved into place, or put in one request where the store has no moving. A
    record that is compacted or redacted here is so there after the next `ship`; between the moment a new file is there
    and the old ones are gone, who reads by the listing sees each record once. Days that retention deletes here stay
    there. `place` names the URL in what is remembered and in messages. One process at a time: ShippingInUse.
    """

    def __init__(self, folder: Path, url: str, place: str) -> None:
        """UnknownDestination for a URL that fsspec does not know, or whose driver is not installed."""
        self._folder = folder
        self._place = place
        self._done: int | None = None
        try:
            self._filesystem, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            scheme = url.partition("://")[0][:40]
            raise UnknownDestination(
                f"The log cannot be shipped to '{scheme}': {str(error)[:200]}.",
                remedy=f"{did_you_mean(scheme, ('s3', 'file', 'kafka', 'nats', 'redis', 'local'))} "
                "For s3://: pip install 'modelyard[s3]'.",
            ) from error
        self._root = root.rstrip("/")

    def ship(self) -> Shipped:
        """Make the files there those of now; how many records came. ObjectsUnavailable; safe to repeat."""
        path = cursor_file(self._folder, self._place)
        with alone(path.with_suffix(".lock"), "ships this log there"), closing(Cursor(path)) as cursor:
            cursor.named(self._place)
            with Catalogs(self._folder).held() as catalog:
                counts = {} if catalog.number == self._done else self._counted(cursor, catalog)
                self._done = catalog.number
            return Shipped(sum(counts.values()), counts, told_lost(cursor))

    def close(self) -> None:
        """Nothing is held."""

    def _counted(self, cursor: Cursor, catalog: Catalog) -> dict[Family, int]:
        """Ship, then write down which records are there; how many were not before."""
        try:
            there = self._mirrored(_id(self._folder), catalog)
        except Exception as error:  # fsspec's drivers raise what their libraries raise
            raise ObjectsUnavailable(
                f"The log cannot be shipped to {self._place}: {str(error)[:200]}.",
                remedy="Check that the place exists, and its credentials.",
            ) from error
        counts: dict[Family, int] = dict.fromkeys(FAMILIES, 0)
        for family in FAMILIES:
            passed = cursor.passed(family, catalog.of(family))
            for entry in there:
                if entry.family == family and entry.name not in passed:
                    counts[family] += self._noted(cursor, entry)
        return counts

    def _noted(self, cursor: Cursor, entry: Entry) -> int:
        count = 0
        for table in where_written(self._folder, entry):
            count += int(np.count_nonzero(cursor.fresh(entry.family, table)))
            cursor.add(entry.family, table)
        cursor.pass_by(entry)
        return count

    def _mirrored(self, log: str, catalog: Catalog) -> list[Entry]:
        """Make the files there those of a catalog; such of its files as are there in the end."""
        sizes, before = self._sizes(log), self._listing(log)
        files = () if before is None else before.files
        known = {each.path: each for each in files if sizes.get(each.path) == each.size}
        wanted = [(entry, _described(log, entry)) for entry in catalog.entries]
        there = [pair for pair in wanted if known.get(pair[1].path) == pair[1] or self._put(*pair)]
        now = _Listing(log, _counting([each for _, each in wanted], [each for _, each in there], known.values()))
        if now != before:  # an empty one, too: whether the place is there is told also when nothing is new
            self._write(now)
        for path in sizes.keys() - {each.path for each in now.files}:
            self._filesystem.rm_file(f"{self._root}/{path}")
        return [entry for entry, _ in there]

    def _put(self, entry: Entry, described: _Object) -> bool:
        """Bring a file there; not one that is damaged."""
        if not is_sound(self._folder, entry):
            log_event("history", "damaged file not shipped", level=WARNING, file=entry.name, place=self._place)
            return False
        self._placed(described.path, lambda target: self._filesystem.put_file(str(self._folder / entry.name), target))
        return True

    def _listing(self, log: str) -> _Listing | None:
        """What was written last; without one, or when it is no listing, all files are put there again."""
        try:
            return msgspec.json.decode(self._filesystem.cat_file(f"{self._root}/{_name_of(log)}"), type=_Listing)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def _write(self, listing: _Listing) -> None:
        data = msgspec.json.format(msgspec.json.encode(listing), indent=1)
        self._placed(_name_of(listing.log), lambda target: self._filesystem.pipe_file(target, data))

    def _sizes(self, log: str) -> dict[str, int]:
        """The log's own files that are there, with their bytes: also those that a crash left half written."""
        self._filesystem.invalidate_cache()
        found = self._filesystem.find(self._root, detail=True)
        below = ((path.rpartition(f"{self._root.lstrip('/')}/")[2], each["size"]) for path, each in found.items())
        return {path: size for path, size in below if PurePosixPath(path).name.lstrip(".").startswith(f"{log}-")}

    def _placed(self, path: str, put: Callable[[str], object]) -> None:
        """Have a file put somewhere, and in its place only when it is whole."""
        target = f"{self._root}/{path}"
        folder, _, name = target.rpartition("/")
        self._filesystem.makedirs(folder, exist_ok=True)
        if "s3" in _protocols(self._filesystem):  # an object appears whole, when its upload ends
            put(target)
            return
        temporary = f"{folder}/.{name}.{uuid4().hex}.tmp"
        put(temporary)
        self._filesystem.mv(temporary, target)


def _counting(wanted: Sequence[_Object], there: Sequence[_Object], known: Iterable[_Object]) -> tuple[_Object, ...]:
    """The files that count: those of the catalog, and those of before of which nothing takes the place.

    These are of days that retention deleted here, or of a partition not all of whose files could be brought there.
    """
    incomplete = {each.partition for each in wanted if each not in there}
    replaced = {each.partition for each in wanted} - incomplete
    paths = {each.path for each in there}
    kept = [each for each in known if each.path not in paths and each.partition not in replaced]
    return tuple(sorted([*there, *kept], key=lambda each: each.path))


def _described(log: str, entry: Entry) -> _Object:
    place, _, name = entry.name.rpartition("/")
    return _Object(
        f"{place}/{log}-{name}",
        entry.family,
        entry.deployment,
        entry.day,
        entry.version,
        entry.rows,
        entry.size,
        entry.sha256,
    )


def _name_of(log: str) -> str:
    return f"log-{log}.json"


def _id(folder: Path) -> str:
    """What this log is called among others: made once."""
    path = folder / FOLDER / "id"
    make_folder(path.parent)
    with sealing.alone(folder):
        if not path.exists():
            atomic_write(path, secrets.token_hex(6).encode())
    return path.read_text()


def _protocols(filesystem: Any) -> tuple[str, ...]:
    named = filesystem.protocol
    return (named,) if isinstance(named, str) else tuple(named)
