"""An index that is loaded from its bundle."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import Digest
from modelyard.inference import BundleDamaged, BundleMissing, BundleTooNew, verify_bundle
from modelyard.vectors import VectorIndex, load_index

from .errors import IndexDamaged, OtherEmbedder
from .records import EVERYBODY, INDEX_FORMAT, INDEX_RUNTIME, Chunk, Document, IndexInfo
from .words import WORDS_FILE, WordIndex, load_words

INDEX_FILE, DOCUMENTS_FILE, CHUNKS_FILE = "index.json", "documents.json", "chunks.json"
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

    def readable(self, groups: Collection[str], without: Collection[str] = ()) -> NDArray[np.int64] | None:
        """The ids of the chunks that one of these groups may read, ascending; None where those are all.

        None of the sources in `without` is among them.
        """
        own = {EVERYBODY, *groups}
        allowed = {
            name for name, each in self.documents.items() if name not in without and own.intersection(each.groups)
        }
        if len(allowed) == len(self.documents):
            return None
        return np.array([chunk.id for chunk in self.chunks if chunk.source in allowed], dtype=np.int64)


def verify_folder(folder: Path, *, expect: Digest | None = None) -> tuple[IndexInfo, Digest]:
    """What an index says, and its digest, when every file is what was written; IndexDamaged otherwise."""
    try:
        bundle, digest = verify_bundle(folder, expect=expect)
        if bundle.runtime != INDEX_RUNTIME:
            raise damaged(folder, f"it is a bundle that answers {bundle.task}")
        document = (folder / INDEX_FILE).read_bytes()
        written = json.loads(document)["format"]
        if written > INDEX_FORMAT:
            raise damaged(folder, f"its format is {written}; this Modelyard reads {INDEX_FORMAT}")
        info = msgspec.json.decode(document, type=IndexInfo)
    except (BundleDamaged, BundleMissing, BundleTooNew) as error:
        raise damaged(folder, error.message.rstrip(".")) from error
    except (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
        raise damaged(folder, f"{type(error).__name__}: {error}") from error
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


def require_embedder(info: IndexInfo, embedder: Digest) -> None:
    """OtherEmbedder for another embedder than the index was built with."""
    if info.embedder != embedder:
        raise OtherEmbedder(
            f"The index was built with embedder {info.embedder[:12]}…, and this one is {embedder[:12]}…: "
            "their vectors cannot be compared.",
            context={"index": info.embedder, "embedder": embedder},
            remedy="Give the embedder it was built with, or build another index with this one.",
        )


def damaged(folder: Path, what: str) -> IndexDamaged:
    """Why a folder is not loaded as an index."""
    return IndexDamaged(
        f"The index in {folder} is damaged: {what}.",
        context={"folder": str(folder)},
        remedy="Fetch it again from where it is kept, or build it again; never edit an index.",
    )
