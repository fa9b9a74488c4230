"""Which documents are other than those that an index was made of: by their bytes, never by their times."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from modelyard.core import Digest
from modelyard.retrieval import Document

from .read import sources_in


class Changes(msgspec.Struct, frozen=True):
    """Sources by what became of them, each in order; `same` have the very bytes that they had."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    same: int = 0

    @property
    def count(self) -> int:
        """How many sources are other than they were."""
        return len(self.added) + len(self.changed) + len(self.removed)

    def __str__(self) -> str:
        counts = {"added": self.added, "changed": self.changed, "removed": self.removed}
        return f"{', '.join(f'{len(each)} {name}' for name, each in counts.items())}, {self.same} as they were"


def digests_of(documents: bytes) -> dict[str, Digest]:
    """The digests of an index's sources by their names, of its `DOCUMENTS_FILE`."""
    return {each.source: each.digest for each in msgspec.json.decode(documents, type=list[Document])}


def digests_at(places: Sequence[Path]) -> dict[str, Digest]:
    """The same of files and folders as they are now. A file is read again when its time, size or inode is another."""
    found = {}
    for name, path in sources_in(list(places)).items():
        status = path.stat()
        found[name] = _digest(path, status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def changes_of(before: Mapping[str, Digest], after: Mapping[str, Digest]) -> Changes:
    """What became of the sources of `before`."""
    both = before.keys() & after.keys()
    changed = tuple(sorted(name for name in both if before[name] != after[name]))
    added, removed = sorted(after.keys() - both), sorted(before.keys() - both)
    return Changes(tuple(added), changed, tuple(removed), len(both) - len(changed))


@lru_cache(maxsize=100_000)
def _digest(path: Path, _changed: int, _size: int, _inode: int) -> Digest:
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())
