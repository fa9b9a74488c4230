"""Building an index of documents, and bringing it up to date."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import numpy as np

from modelyard.core import Digest, InvalidInput, NotFound, canonical_json, did_you_mean
from modelyard.inference import FORMAT_VERSION, BundleInfo, Embedder, Signature, pin_files
from modelyard.retrieval import (
    CHUNKS_FILE,
    DOCUMENTS_FILE,
    EVERYBODY,
    INDEX_FILE,
    INDEX_FORMAT,
    INDEX_RUNTIME,
    WORDS_FILE,
    Chunk,
    Cutting,
    Document,
    Index,
    IndexInfo,
    require_embedder,
)
from modelyard.vectors import VectorIndex, new_index

from .cut import cut
from .errors import IndexExists
from .home import changing, current, open_index, prune, publish
from .read import Source, plain, read_source, sources_in
from .words import build_words

Rules = Sequence[tuple[str, tuple[str, ...]]]
Progress = Callable[[str], None]

MANY = 20_000
"""From so many chunks on an index is searched by a graph instead of exactly."""

_EMBEDDED_AT_ONCE = 256


@dataclass(frozen=True)
class Change:
    """What a build or an update did: documents by what became of them, and how many texts were embedded."""

    digest: Digest
    documents: int
    chunks: int
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: int = 0
    embedded: int = 0
    pruned: int = 0


def build_index(
    home: Path,
    places: Sequence[Path],
    embedder: Embedder,
    *,
    cutting: Cutting | None = None,
    rules: Rules = (),
    progress: Progress = lambda _: None,
) -> Change:
    """Build an index of the documents at these files and folders; IndexExists where there is one.

    `rules` say which groups may read sources of which names (see `IndexInfo`). The same documents, cutting, rules and
    embedder give the same digest.
    """
    cutting = cutting or Cutting()
    _require_sound(cutting, rules)
    with changing(home):
        if current(home) is not None:
            raise IndexExists(
                f"There is an index in {home} already.", remedy=f"Bring it up to date: modelyard index update {home}"
            )
        found = sources_in(list(places))
        if not found:
            raise NotFound(
                f"There is nothing to read at {', '.join(map(str, places))}.",
                code="NO_SOURCE",
                remedy="Give files or folders with text, Markdown, HTML or PDF.",
            )
        info = IndexInfo(INDEX_FORMAT, embedder.digest, embedder.dimension, "exact", cutting, _tidy(rules), 0, 0, 0)
        draft = _Draft(info, embedder, progress)
        for name, path in found.items():
            draft.take(read_source(name, path))
        return draft.publish(home)


def update_index(
    home: Path,
    places: Sequence[Path],
    embedder: Embedder,
    *,
    remove: Collection[str] = (),
    rules: Rules | None = None,
    pruning: bool = False,
    progress: Progress = lambda _: None,
) -> Change:
    """Bring an index up to date: what changed at `places` is embedded anew, what is unchanged is kept as it is.

    With `places` they are the whole: documents that are no longer there leave the index. `remove` names sources that
    leave it in any case. Who opens the index after this returns finds nothing of those. `rules` take the place of the
    old. With `pruning` no older version is kept, which held the old texts. OtherEmbedder for another than it was built
    with. A kill leaves the old index or the new.
    """
    with changing(home):
        old = open_index(home)
        require_embedder(old.info, embedder.digest)
        if rules is not None:
            _require_sound(old.info.cutting, rules)
        found = sources_in(list(places)) if places else {}
        if unknown := sorted(set(remove) - set(old.documents) - set(found)):
            raise NotFound(
                f"The index has no source '{unknown[0]}'.",
                code="NO_SOURCE",
                remedy=did_you_mean(unknown[0], list(old.documents)),
            )
        info = old.info if rules is None else msgspec.structs.replace(old.info, rules=_tidy(rules))
        draft = _Draft(info, embedder, progress)
        for name in sorted({*found, *(() if places else old.documents)} - set(remove)):
            source = read_source(name, found[name]) if name in found else None
            before = old.documents.get(name)
            if before is not None and (source is None or source.digest == before.digest):
                draft.keep(old, before)
            elif source is not None:
                draft.take(source, changed=before is not None)
        draft.removed = sorted(set(old.documents) - set(draft.documents))
        change = draft.publish(home)
        return replace(change, pruned=prune(home)) if pruning else change


class _Draft:
    """A version in the making: documents and chunks, with the vectors that are known."""

    def __init__(self, info: IndexInfo, embedder: Embedder, progress: Progress) -> None:
        self._info, self._embedder, self._progress = info, embedder, progress
        self._next = info.next_id
        self._known: dict[int, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
        self._chunks: dict[str, list[Chunk]] = {}
        self.documents: dict[str, tuple[Digest, str]] = {}
        self.added: list[str] = []
        self.changed: list[str] = []
        self.removed: list[str] = []
        self._kept = 0

    def keep(self, old: Index, document: Document) -> None:
        """A document as the old version has it, vectors and all."""
        chunks = list(old.chunks[document.first : document.end])
        ids = [chunk.id for chunk in chunks]
        self._known.update(zip(ids, old.vectors.vectors(ids), strict=True))
        self._chunks[document.source] = chunks
        self.documents[document.source] = document.digest, document.title
        self._kept += 1

    def take(self, source: Source, *, changed: bool = False) -> None:
        """A document that is new or has changed."""
        self._progress(f"reading {source.name}")
        pieces = cut(source.text, self._info.cutting, self._embedder)
        self._chunks[source.name] = [
            Chunk(
                self._next + at,
                source.name,
                each.start,
                each.end,
                plain(source.text[each.start : each.end]),
                each.tokens,
            )
            for at, each in enumerate(pieces)
        ]
        self._next += len(pieces)
        self.documents[source.name] = source.digest, source.title
        (self.changed if changed else self.added).append(source.name)

    def publish(self, home: Path) -> Change:
        """Embed what is new, write the version, and make it the current one."""
        fresh = [chunk for chunks in self._chunks.values() for chunk in chunks if chunk.id not in self._known]
        for start in range(0, len(fresh), _EMBEDDED_AT_ONCE):
            part = fresh[start : start + _EMBEDDED_AT_ONCE]
            self._progress(f"embedding {start + len(part)} of {len(fresh)} chunks")
            vectors = self._embedder.embed([chunk.text for chunk in part])
            self._known.update(zip((chunk.id for chunk in part), vectors, strict=True))
        chunks = sorted((chunk for each in self._chunks.values() for chunk in each), key=lambda chunk: chunk.id)
        documents = self._documents({chunk.id: at for at, chunk in enumerate(chunks)})
        digest = publish(home, lambda folder: self._write(folder, documents, chunks))
        return Change(
            digest, len(documents), len(chunks), self.added, self.changed, self.removed, self._kept, len(fresh)
        )

    def _documents(self, places: Mapping[int, int]) -> list[Document]:
        made = []
        for name, (digest, title) in sorted(self.documents.items()):
            own = [places[chunk.id] for chunk in self._chunks[name]]
            groups = _groups_of(name, self._info.rules)
            first = own[0] if own else 0
            made.append(Document(name, digest, title, groups, first, first + len(own)))
        return made

    def _write(self, folder: Path, documents: Sequence[Document], chunks: Sequence[Chunk]) -> Digest:
        (folder / DOCUMENTS_FILE).write_bytes(msgspec.json.encode(documents))
        (folder / CHUNKS_FILE).write_bytes(msgspec.json.encode(chunks))
        np.savez(folder / WORDS_FILE, allow_pickle=False, **build_words([chunk.text for chunk in chunks]))
        vectors = self._vectors([chunk.id for chunk in chunks])
        vectors.save(folder)
        info = msgspec.structs.replace(
            self._info,
            search=vectors.kind,
            documents=len(documents),
            chunks=len(chunks),
            next_id=self._next,
        )
        (folder / INDEX_FILE).write_bytes(canonical_json(msgspec.to_builtins(info)))
        return pin_files(folder, BundleInfo(FORMAT_VERSION, "-", "-", "index", INDEX_RUNTIME, Signature(()), {}, {}))

    def _vectors(self, ids: Sequence[int]) -> VectorIndex:
        vectors = new_index("hnsw" if len(ids) >= MANY else "exact", self._info.dimension)
        if ids:
            vectors.add(ids, np.stack([self._known[each] for each in ids]))
        return vectors


def _groups_of(source: str, rules: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """Who may read a source: by the last rule whose pattern fits its name; everybody where none does."""
    fitting = [groups for pattern, groups in rules if fnmatchcase(source, pattern)]
    return fitting[-1] if fitting else (EVERYBODY,)


def _require_sound(cutting: Cutting, rules: Rules) -> None:
    if not (cutting.tokens >= 8 and 0 <= cutting.overlap <= cutting.tokens // 2):
        raise InvalidInput(
            f"Chunks of {cutting.tokens} tokens with {cutting.overlap} from the one before.",
            code="WRONG_CUTTING",
            remedy="Give 8 tokens or more, and at most half of them for the overlap.",
        )
    for pattern, groups in rules:
        if not pattern or not groups or "" in groups:
            raise InvalidInput(
                f"The rule '{pattern}={','.join(groups)}' names no pattern or no group.",
                code="WRONG_RULE",
                remedy=f"Write a pattern of sources and groups: 'staff/*=hr,board'; {EVERYBODY} is everybody.",
            )


def _tidy(rules: Rules) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((pattern, tuple(sorted(set(groups)))) for pattern, groups in rules)
