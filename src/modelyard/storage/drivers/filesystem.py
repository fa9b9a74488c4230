"""The artifact store over any fsspec filesystem: a local folder, S3 and others."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from modelyard.core import Digest, atomic_write, canonical_json, digest_of, make_folder, sync_folder

from ..errors import ArtifactDamaged, ArtifactMissing, UnsafeTree

_PIECE = 1 << 20


class HashedStream:
    """See `contract.ArtifactStream`."""

    def __init__(self, file: RawIOBase) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._size = 0

    @property
    def size(self) -> int:
        return self._size

    @property
    def digest(self) -> Digest:
        return Digest(self._hash.hexdigest())

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        view = memoryview(data).cast("B")
        self._hash.update(view)
        written = 0
        while written < len(view):
            written += self._file.write(view[written:]) or 0
        self._size += len(view)
        return len(view)


class FilesystemArtifactStore:
    """See `contract.ArtifactStore`. Bytes of digest `abcd…` stand at `<root>/ab/abcd…`."""

    def __init__(self, filesystem: Any, root: str, url: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._url = url
        self._local = "file" in (filesystem.protocol if isinstance(filesystem.protocol, tuple) else ())

    @property
    def url(self) -> str:
        return self._url

    def put_bytes(self, data: bytes, *, durable: bool = True) -> Digest:
        digest = digest_of(data)
        if not self._keeps(digest, durable=durable):
            self._write(self._path(digest), data, durable=durable)
        return digest

    @contextmanager
    def put_stream(self, *, durable: bool = True) -> Iterator[HashedStream]:
        folder = self._incoming()
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".incoming.")
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                stream = HashedStream(file)
                yield stream
                os.fchmod(descriptor, 0o444)
                if durable and self._local:
                    os.fsync(descriptor)
            self._take_in(Path(temporary), stream.digest, durable=durable)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def put_file(self, path: Path) -> Digest:
        with path.open("rb") as source, self.put_stream() as stream:
            shutil.copyfileobj(source, stream, _PIECE)
        return stream.digest

    def put_tree(self, folder: Path) -> Digest:
        files = {path.relative_to(folder).as_posix(): self.put_file(path) for path in _regular_files(folder)}
        return self.put_bytes(canonical_json({"files": files}))

    def get_bytes(self, digest: Digest) -> bytes:
        try:
            data = bytes(self._filesystem.cat_file(self._path(digest)))
        except FileNotFoundError as error:
            raise self._missing(digest) from error
        if digest_of(data) != digest:
            raise self._damaged(digest)
        return data

    def get_file(self, digest: Digest, into: Path) -> Path:
        temporary = into.with_name(f".{into.name[:60]}.{uuid4().hex}")
        try:
            with self._filesystem.open(self._path(digest), "rb") as stored, temporary.open("wb", buffering=0) as file:
                stream = HashedStream(file)
                shutil.copyfileobj(stored, stream, _PIECE)
            if stream.digest != digest:
                raise self._damaged(digest)
            return temporary.replace(into)
        except FileNotFoundError as error:
            if self.has(digest):
                raise  # it is the folder to write to that is missing
            raise self._missing(digest) from error
        finally:
            temporary.unlink(missing_ok=True)

    def get_tree(self, digest: Digest, into: Path) -> Path:
        files: dict[str, Digest] = json.loads(self.get_bytes(digest))["files"]
        into.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=into.parent, prefix=f".{into.name}."))
        try:
            for name, each in files.items():
                target = temporary / _inside(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                self.get_file(each, target)
            temporary.chmod(0o755)
            return temporary.rename(into)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def local_path(self, digest: Digest) -> Path | None:
        if not self._local:
            return None
        path = Path(self._path(digest))
        if not path.is_file():
            raise self._missing(digest)
        return path

    def has(self, digest: Digest) -> bool:
        return bool(self._filesystem.exists(self._path(digest)))

    def digests(self) -> Iterator[Digest]:
        for path in sorted(self._filesystem.find(self._root)):
            name = PurePosixPath(path).name
            if len(name) == 64:
                yield Digest(name)

    def delete(self, digest: Digest) -> None:
        if self.has(digest):
            self._filesystem.rm_file(self._path(digest))

    def _missing(self, digest: Digest) -> ArtifactMissing:
        return ArtifactMissing(
            f"The artifact store {self.url} holds nothing under {digest}.",
            context={"digest": digest, "store": self.url},
            remedy="Was it written to another store? See: modelyard config show.",
        )

    def _damaged(self, digest: Digest) -> ArtifactDamaged:
        return ArtifactDamaged(
            f"The bytes under {digest} in {self.url} have another digest now.",
            context={"digest": digest, "store": self.url},
            remedy="Restore them from a backup; nothing that is damaged will be used.",
        )

    def _path(self, digest: Digest) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"

    def _write(self, path: str, data: bytes, *, durable: bool) -> None:
        if not self._local:
            self._filesystem.pipe_file(path, data)  # object stores show an object whole or not at all
            return
        atomic_write(Path(path), data, mode=0o444, durable=durable)

    def _keeps(self, digest: Digest, *, durable: bool) -> bool:
        """Whether these bytes need not be written; if they must survive a power cut, whole and flushed from now on."""
        if not (durable and self._local):
            return self.has(digest)
        path = Path(self._path(digest))
        try:
            with path.open("rb") as stored:
                if hashlib.file_digest(stored, "sha256").hexdigest() != digest:
                    return False
                os.fsync(stored.fileno())
        except FileNotFoundError:
            return False
        sync_folder(path.parent)
        return True

    def _incoming(self) -> Path | None:
        """Where a stream is written before its digest is known: in the store, so that a rename takes it in."""
        if not self._local:
            return None
        folder = Path(self._root)
        make_folder(folder)
        return folder

    def _take_in(self, temporary: Path, digest: Digest, *, durable: bool) -> None:
        if self._keeps(digest, durable=durable):
            return
        if not self._local:
            self._filesystem.put_file(str(temporary), self._path(digest))
            return
        path = Path(self._path(digest))
        make_folder(path.parent)
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)


def _regular_files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*"))
    for path in found:
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UnsafeTree(
                f"{path} is no regular file, so {folder} cannot be stored.",
                context={"path": str(path)},
                remedy="Replace links by the files they point to.",
            )
    return [path for path in found if path.is_file()]


def _inside(name: str) -> PurePosixPath:
    """A relative path that stays inside the folder, or UnsafeTree."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise UnsafeTree(f"A stored tree names the path {name!r}, which leaves its folder.", context={"path": name})
    return path
