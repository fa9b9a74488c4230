"""Documents, chunks, and what an index says of itself, as frozen values."""

import msgspec

from modelyard.core import Digest

INDEX_FORMAT = 1
"""The index format this code writes. It reads this version and refuses newer ones."""

INDEX_RUNTIME = "index"
"""What the bundle of an index says of how it runs."""

EVERYBODY = "*"
"""The group that everybody is in, also who names none."""


class Cutting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How texts are cut: at most `tokens` a chunk, of which up to `overlap` are the last ones of the chunk before."""

    tokens: int = 200
    overlap: int = 40


class Document(msgspec.Struct, frozen=True):
    """A source as it was read. `digest` is of its bytes; `groups` may read it; its chunks are `first` to `end`."""

    source: str
    digest: Digest
    title: str
    groups: tuple[str, ...]
    first: int
    end: int


class Chunk(msgspec.Struct, frozen=True):
    """A part of a source: its characters from `start` to `end`, `text` as they read, and how many tokens that has.

    Characters are those of the source as text (see `read`); of HTML markup is blanked, so that offsets are the file's
    own. `text` is that stretch with runs of blanks made one, and an end of line between paragraphs.
    """

    id: int
    source: str
    start: int
    end: int
    text: str
    tokens: int


class IndexInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of `index.json`, one of the files of an index's bundle, whose digest is the index's.

    `search` is the kind of its vectors (see `vectors.KINDS`); `next_id` the id of the next new chunk: none is used
    twice. `rules` say who may read what: a pattern of sources and the groups; the last that fits decides.
    """

    format: int
    embedder: Digest
    dimension: int
    search: str
    cutting: Cutting
    rules: tuple[tuple[str, tuple[str, ...]], ...]
    documents: int
    chunks: int
    next_id: int


class Citation(msgspec.Struct, frozen=True):
    """Where a text stands: characters `start` to `end` of `source`, `title` and `digest` as the index knows it."""

    source: str
    start: int
    end: int
    title: str
    digest: Digest


class Found(msgspec.Struct, frozen=True):
    """A chunk that was found: `score` decides the order, highest first; the ranks (from 1) and raw scores say why.

    `by_vector` and `by_words` are its ranks in the two searches, None where it was not among the first of one.
    """

    chunk: int
    text: str
    tokens: int
    citation: Citation
    score: float
    by_vector: int | None
    by_words: int | None
    cosine: float | None
