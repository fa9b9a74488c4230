"""What the files of a version are: named, sized and hashed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import file_digest
from pathlib import Path

from modelyard.core import Digest, InvalidInput, NotFound, canonical_json, digest_of

from .records import StoredFile

FORMAT = 1
"""Of the manifest. Another one gives other digests to the same files: never change it for what exists."""


def named(files: Sequence[Path]) -> dict[str, Path]:
    """The files by the names they are stored under, in order; InvalidInput and NotFound say which cannot be."""
    if not files:
        raise InvalidInput("A version needs at least one file.", code="NO_FILES", remedy="Name the files.")
    for file in files:
        _require_regular(file)
    twice = [name for name, count in Counter(each.name for each in files).items() if count > 1]
    if twice:
        raise InvalidInput(
            f"{len(twice)} of the files share a name, such as {twice[0][:80]!r}.",
            code="SAME_FILE_NAME",
            remedy="A version keeps bare names: rename one of them.",
        )
    return {each.name: each for each in sorted(files, key=lambda each: each.name)}


def stored(files: Mapping[str, Path]) -> tuple[StoredFile, ...]:
    """The files' digests and sizes; each is read once, piece by piece."""
    return tuple(_stored(name, path) for name, path in files.items())


def manifest_of(files: Sequence[StoredFile]) -> bytes:
    """The canonical manifest: its SHA-256 names the version."""
    listed = [{"name": each.name, "digest": each.digest, "bytes": each.bytes} for each in files]
    return canonical_json({"files": listed, "format": FORMAT})


def content_digest(files: Sequence[Path]) -> Digest:
    """The digest that a dataset version of these files has, wherever it is added; raises as `Versions.add` does."""
    return digest_of(manifest_of(stored(named(files))))


def _stored(name: str, path: Path) -> StoredFile:
    with path.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
        return StoredFile(name, Digest(digest), stream.tell())


def _require_regular(file: Path) -> None:
    if file.is_dir():
        raise InvalidInput(
            f"{file} is a folder.", code="NOT_A_FILE", remedy=f"Name its files, such as {file}/*.parquet."
        )
    if not file.exists():
        raise NotFound(f"There is no file {file}.", code="NO_SUCH_FILE", remedy="Look at the path.")
    if not file.is_file():
        raise InvalidInput(f"{file} is no regular file.", code="NOT_A_FILE", remedy="Write it to one first.")
