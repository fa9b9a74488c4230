"""An index: an immutable, content-addressed folder, and how it is loaded."""

import json
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import Digest, canonical_json, digest_of
from modelyard.vectors import VectorIndex, load_index

from .errors import IndexDamaged
from .records import EVERYBODY, INDEX_FORMAT, Chunk, Document, IndexInfo
from .words import WORDS_FILE, WordIndex, load_words

INFO_FILE, DOCUMENTS_FILE, CHUNKS_FILE = "index.json", "documents.json", "chunks.json"
"""What an index says of itself; its documents; its chunks, in the order of their ids."""


class Index:
    """A verified and loaded index. Immutable; safe for any thread."""

    def __init__(
        self,
        info: IndexInfo,
        digest: Digest,
        documents: Sequence[Document],
        chunks: Sequence[Chunk],
        vectors: VectorIndex,
        words: WordIndex,
    ) -> None:
        self.info = info
        self.digest = digest
        self.documents: Mapping[str, Document] = {each.source: each for each in documents}
        self.chunks = chunks
        self.vectors = vectors
        self.words = words

    @cached_property
    def places(self) -> Mapping[int, int]:
        """Where each chunk stands in `chunks`, by its id."""
        return {chunk.id: at for at, chunk in enumerate(self.chunks)}

    def readable(self, groups: Collection[str]) -> NDArray[np.int64] | None:
        """The ids of the chunks that one of these groups may read, ascending; None where those are all."""
        own = {EVERYBODY, *groups}
        allowed = {name for name, each in self.documents.items() if own.intersection(each.groups)}
        if len(allowed) == len(self.documents):
            return None
        return np.array([chunk.id for chunk in self.chunks if chunk.source in allowed], dtype=np.int64)


def groups_of(source: str, rules: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """Who may read a source: by the last rule whose pattern fits its name; everybody where none does."""
    fitting = [groups for pattern, groups in rules if fnmatchcase(source, pattern)]
    return fitting[-1] if fitting else (EVERYBODY,)


def write_info(folder: Path, info: IndexInfo) -> Digest:
    """Pin every file in the folder and write `index.json`; the digest of the index."""
    files = {each.name: digest_of(each.read_bytes()) for each in sorted(folder.iterdir())}
    document = canonical_json(msgspec.to_builtins(msgspec.structs.replace(info, files=files)))
    (folder / INFO_FILE).write_bytes(document)
    return digest_of(document)


def verify_folder(folder: Path, *, expect: Digest | None = None) -> tuple[IndexInfo, Digest]:
    """What an index says, and its digest, when every file is what was written; IndexDamaged otherwise."""
    try:
        document = (folder / INFO_FILE).read_bytes()
        written = json.loads(document)
        if written["format"] > INDEX_FORMAT:
            raise damaged(folder, f"its format is {written['format']}; this Modelyard reads {INDEX_FORMAT}")
        info = msgspec.json.decode(document, type=IndexInfo)
        held = {each.name for each in folder.iterdir()} - {INFO_FILE}
        if held != set(info.files):
            raise damaged(folder, f"it holds {', '.join(sorted(held ^ set(info.files))[:5])} otherwise than built")
        changed = [name for name, pinned in info.files.items() if digest_of((folder / name).read_bytes()) != pinned]
    except (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
        raise damaged(folder, f"{type(error).__name__}: {error}") from error
    digest = digest_of(document)
    if changed:
        raise damaged(folder, f"{', '.join(changed[:5])} changed")
    if expect is not None and digest != expect:
        raise damaged(folder, f"its digest is {digest[:12]}…, not {expect[:12]}…")
    return info, digest


def load_folder(folder: Path, *, expect: Digest | None = None) -> Index:
    """Verify one version of an index and load it."""
    info, digest = verify_folder(folder, expect=expect)
    try:
        documents = msgspec.json.decode((folder / DOCUMENTS_FILE).read_bytes(), type=list[Document])
        chunks = msgspec.json.decode((folder / CHUNKS_FILE).read_bytes(), type=list[Chunk])
    except (OSError, msgspec.MsgspecError) as error:
        raise damaged(folder, str(error)) from error
    vectors, words = load_index(folder), load_words(folder / WORDS_FILE)
    if [chunk.id for chunk in chunks] != vectors.ids.tolist():
        raise damaged(folder, "its chunks and its vectors have different ids")
    return Index(info, digest, documents, chunks, vectors, words)


def damaged(folder: Path, what: str) -> IndexDamaged:
    """Why a folder is not loaded as an index."""
    return IndexDamaged(
        f"The index in {folder} is damaged: {what}.",
        context={"folder": str(folder)},
        remedy="Fetch it again from where it is kept, or build it again; never edit an index.",
    )
