"""Retrieval: an index of documents, loaded from its bundle and searched, within what the asker may read.

Owns the records of an index (documents, chunks with spans in their sources, what was found), loading it, search by
vectors and by words put together by ranks. Does not own building indexes (`llm`), vectors (`vectors`), or embedders
(`inference`).
"""

from .directions import DIRECTIONS, directions
from .errors import IndexDamaged, OtherEmbedder
from .index import CHUNKS_FILE, DOCUMENTS_FILE, INDEX_FILE, Index, load_folder, require_embedder, verify_folder
from .records import (
    EVERYBODY,
    INDEX_FORMAT,
    INDEX_RUNTIME,
    Chunk,
    Citation,
    Cutting,
    Document,
    Found,
    IndexInfo,
)
from .search import LONGEST_QUESTION, MODES, Ask, Mode, Reranker, Searcher, fuse
from .words import WORDS_FILE, words_of

__all__ = [
    "CHUNKS_FILE",
    "DIRECTIONS",
    "DOCUMENTS_FILE",
    "EVERYBODY",
    "INDEX_FILE",
    "INDEX_FORMAT",
    "INDEX_RUNTIME",
    "LONGEST_QUESTION",
    "MODES",
    "WORDS_FILE",
    "Ask",
    "Chunk",
    "Citation",
    "Cutting",
    "Document",
    "Found",
    "Index",
    "IndexDamaged",
    "IndexInfo",
    "Mode",
    "OtherEmbedder",
    "Reranker",
    "Searcher",
    "directions",
    "fuse",
    "load_folder",
    "require_embedder",
    "verify_folder",
    "words_of",
]
