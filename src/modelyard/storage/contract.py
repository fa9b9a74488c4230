"""Where decisions are kept, and where bytes are kept: two contracts, several drivers."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from modelyard.core import Digest

Body = Mapping[str, Any]
"""A JSON object: strings, finite numbers, booleans, null, lists and objects of these."""


@dataclass(frozen=True)
class Document:
    """A document as it stood at `revision` (1 for the first write, then one more each write)."""

    kind: str
    key: str
    revision: int
    body: Body


@dataclass(frozen=True)
class Entry:
    """An entry of an append-only stream; `seq` counts 1, 2, 3 … without gaps."""

    stream: str
    seq: int
    body: Body


@dataclass(frozen=True)
class Group:
    """So many documents have keys that begin with `name` and a slash; `last` is the last of these keys."""

    name: str
    count: int
    last: str


@dataclass(frozen=True)
class Tally:
    """So many documents, of which the newest says in `created_at` that it was made at `last`; empty where none does."""

    count: int
    last: str


@dataclass(frozen=True)
class Labelled:
    """A document with the labels it is found by."""

    document: Document
    labels: Mapping[str, str] = field(default_factory=dict)


class Snapshot(Protocol):
    """A consistent view of the records. Bodies are copies: changing one changes nothing stored."""

    def get(self, kind: str, key: str) -> Document | None:
        """The document, or None."""

    def scan(
        self, kind: str, *, prefix: str = "", after: str = "", limit: int | None = None, descending: bool = False
    ) -> list[Document]:
        """Documents of a kind in the order of their keys (by code point), those whose key starts with `prefix`.

        `after` continues a page: only keys beyond it, in the direction of the scan.
        """

    def find(self, kind: str, label: str, value: str, *, limit: int | None = None) -> list[Document]:
        """Documents of a kind that were written with `labels[label] == value`, in the order of their keys."""

    def many(self, kind: str, keys: Collection[str]) -> list[Document]:
        """Those documents of a kind that are there of these keys, in the order of their keys."""

    def newest(self, kind: str, *, after: Document | None = None, limit: int | None = None) -> list[Document]:
        """Documents of a kind by the text `created_at` of their bodies, latest first; of the same by key, backwards.

        `after` continues a page: only what is older than that one, whether it is still there or not. Documents without
        such a text are left out.
        """

    def groups(self, kind: str) -> list[Group]:
        """What the keys of a kind begin with before their first slash, in this order; keys without one are left out."""

    def tally(self, kind: str, *fields: str) -> dict[str, Tally]:
        """Of each of these fields the documents of a kind whose bodies say something there: not null, not empty text.

        Under the empty text all documents of the kind. They are counted where they are: none of them is handed over.
        """

    def entries(
        self, stream: str, *, after: int = 0, limit: int | None = None, descending: bool = False
    ) -> list[Entry]:
        """Entries of a stream with `seq > after` (with `descending`: the newest first, still only `seq > after`)."""

    def everything(self) -> Iterator[Labelled | Entry]:
        """All documents by kind and key, then all entries by stream and number, a page of them in memory at a time."""


class Transaction(Snapshot, Protocol):
    """A snapshot that can be written; it sees its own writes. All of it is committed, or nothing."""

    def put(
        self,
        kind: str,
        key: str,
        body: Body,
        *,
        expect: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> int:
        """Write a document whole and return its new revision.

        `expect` is compare-and-set: the revision it must have now, 0 for 'must not exist'; otherwise
        `RevisionConflict`. `labels` replace the document's earlier labels.
        """

    def delete(self, kind: str, key: str, *, expect: int | None = None) -> None:
        """Remove a document; removing what is not there does nothing unless `expect` says otherwise."""

    def append(self, stream: str, body: Body) -> int:
        """Add an entry and return its `seq`."""

    def fill(self, kept: Iterable[Labelled | Entry]) -> int:
        """Put what `everything` gave, of this store or another, into one that holds nothing; else StoreNotEmpty.

        Revisions and numbers are what they were. Returns how many documents and entries these are.
        """


class RecordStore(Protocol):
    """The database that decides what may serve.

    Write transactions are serializable: they happen one after another, across processes; a second writer waits (at
    most 30 s, then `StoreUnavailable`). An exception inside the block rolls everything back and is passed on. After the
    block ends normally the writes survive `kill -9` and a power cut. Transactions must not be nested, and must not be
    held while doing slow work. A store may be used from several threads and is reopened by a forked or spawned child.

    With `durable=False` writes survive `kill -9` from the end of the block on, as ever, but a power cut may take back
    the newest of them (a database may be more careful). It never damages what was written before.
    """

    @property
    def url(self) -> str:
        """Where it is, with any password masked."""

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[Transaction]:
        """A write transaction."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A read-only transaction."""

    def migrate(self) -> None:
        """Create the tables, or bring them to this version. Idempotent; safe when two processes start at once."""

    def close(self) -> None:
        """Release connections. Idempotent."""


class ArtifactStream(Protocol):
    """Bytes on their way into an artifact store. `write` takes anything with the buffer interface, without copying."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    @property
    def digest(self) -> Digest:
        """SHA-256 of the bytes written so far; what they are stored under once the block has ended."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int: ...


class ArtifactStore(Protocol):
    """Immutable bytes under their SHA-256.

    Putting what is there already changes nothing. What a `put_*` returned can be got from then on; a crash in the
    middle leaves nothing visible. Getting verifies the digest and raises `ArtifactDamaged` on a mismatch,
    `ArtifactMissing` when there is nothing. A *tree* is a folder of regular files stored under the digest of its
    manifest (canonical JSON `{"files": {relative path: digest}}`); links, and names that leave the folder, are refused.

    What was put with `durable=False` survives `kill -9`, but after a power cut it may be missing or damaged, which the
    next `get_*` says. Putting the same bytes again, durably, makes them whole on a disk of this machine; elsewhere
    delete first what is damaged.
    """

    @property
    def url(self) -> str:
        """Where it is, with any secret masked."""

    def put_bytes(self, data: bytes, *, durable: bool = True) -> Digest: ...
    def put_stream(self, *, durable: bool = True) -> AbstractContextManager[ArtifactStream]:
        """Write bytes of any length piece by piece; stored when the block ends, nothing is when it raises."""

    def put_file(self, path: Path) -> Digest: ...
    def put_tree(self, folder: Path) -> Digest: ...
    def get_bytes(self, digest: Digest) -> bytes: ...
    def get_file(self, digest: Digest, into: Path) -> Path:
        """Write the bytes to the path `into`, in one step, and return it."""

    def get_tree(self, digest: Digest, into: Path) -> Path:
        """Recreate the folder at `into` (which must not exist), in one step, and return it."""

    def local_path(self, digest: Digest) -> Path | None:
        """The file that holds the bytes, to be read or mapped in place and never written; its digest is not verified.

        None when the store is not on this machine's disks; ArtifactMissing when there is nothing.
        """

    def has(self, digest: Digest) -> bool: ...
    def digests(self) -> Iterator[Digest]: ...
    def delete(self, digest: Digest) -> None:
        """Remove the bytes; removing what is not there does nothing. A tree's files are left to the caller."""
