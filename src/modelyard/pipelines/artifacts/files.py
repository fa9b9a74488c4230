"""Files and folders that a step gave, where a later step can read them under their own names."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from modelyard.core import Digest
from modelyard.storage import ArtifactDamaged, ArtifactStore

from .artifact import Artifact

_HASHED_BELOW = 16 * 1024 * 1024
"""Larger files are mapped after a look at their size only: reading a gigabyte to hash it takes longer than using it."""

_VERIFIED: set[tuple[int, int, int]] = set()
"""Device, inode and time of change of the files whose digest this process has verified."""


@dataclass(frozen=True)
class Scratch:
    """A folder for copies of artifacts under readable names, and of those of stores that are elsewhere."""

    folder: Path

    def path_of(self, store: ArtifactStore, artifact: Artifact) -> Path:
        """The bytes of an artifact as a file to map, never to write.

        ArtifactDamaged when the size is wrong; the digest is verified once a process and file below 16 MiB.
        """
        path = store.local_path(artifact.digest) or self._fetched(store, artifact.digest)
        found = path.stat()
        if found.st_size != artifact.size:
            raise ArtifactDamaged(
                f"{path} has {found.st_size:,} bytes; {artifact.size:,} were written.",
                context={"digest": artifact.digest, "path": str(path)},
                remedy="Delete it and run the pipeline again: what is missing is made again.",
            )
        identity = (found.st_dev, found.st_ino, found.st_ctime_ns)
        if found.st_size < _HASHED_BELOW and identity not in _VERIFIED:
            store.get_bytes(artifact.digest)
            _VERIFIED.add(identity)
        return path

    def named(self, store: ArtifactStore, artifact: Artifact) -> Path:
        """A file or folder under the name that it was given with."""
        into = self.folder / "named" / artifact.digest / artifact.name
        if into.exists():
            return into
        into.parent.mkdir(parents=True, exist_ok=True)
        if artifact.form == "folder":
            return _settled(store.get_tree(artifact.digest, into.with_name(f".{uuid4().hex}")), into)
        source = store.local_path(artifact.digest)
        temporary = into.with_name(f".{uuid4().hex}")
        if source is None:
            store.get_file(artifact.digest, temporary)
        else:
            shutil.copyfile(source, temporary)
        return _settled(temporary, into)

    def _fetched(self, store: ArtifactStore, digest: Digest) -> Path:
        into = self.folder / "fetched" / digest
        if into.is_file():
            return into
        into.parent.mkdir(parents=True, exist_ok=True)
        return store.get_file(digest, into)


def _settled(temporary: Path, into: Path) -> Path:
    """Give a file or folder its name, unless another process was faster."""
    try:
        os.rename(temporary, into)  # noqa: PTH104 - Path.rename is the same
    except OSError:
        if not into.exists():
            raise
        shutil.rmtree(temporary, ignore_errors=True)
    return into
