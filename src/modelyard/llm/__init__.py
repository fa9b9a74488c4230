"""Language models in the loop: documents as an index, finding what answers a question, and how well that goes.

Owns reading and cutting documents, indexes as immutable folders, searching them by vectors and words, retrieval
metrics and suites. Does not own vectors (`vectors`), embedders (`inference`, built by `bundling`), or answering
requests (`serving`).
"""

from .build import Change, build_index, require_embedder, update_index
from .errors import (
    IndexDamaged,
    IndexExists,
    InvalidSuite,
    NoIndex,
    NoTextLibrary,
    OtherEmbedder,
    UnreadableDocument,
)
from .home import open_index
from .index import Index, load_folder, verify_folder
from .metrics import METRICS, ndcg, recall, reciprocal_rank
from .read import KINDS, Source, read_source
from .records import EVERYBODY, Chunk, Citation, Cutting, Document, Found, IndexInfo
from .search import MODES, Ask, Mode, Reranker, Searcher, fuse
from .suite import Case, Measured, Outcome, Suite, compare, judge, read_suite, require_metrics, run_suite
from .verify import Verified, verify_index

__all__ = [
    "EVERYBODY",
    "KINDS",
    "METRICS",
    "MODES",
    "Ask",
    "Case",
    "Change",
    "Chunk",
    "Citation",
    "Cutting",
    "Document",
    "Found",
    "Index",
    "IndexDamaged",
    "IndexExists",
    "IndexInfo",
    "InvalidSuite",
    "Measured",
    "Mode",
    "NoIndex",
    "NoTextLibrary",
    "OtherEmbedder",
    "Outcome",
    "Reranker",
    "Searcher",
    "Source",
    "Suite",
    "UnreadableDocument",
    "Verified",
    "build_index",
    "compare",
    "fuse",
    "judge",
    "load_folder",
    "ndcg",
    "open_index",
    "read_source",
    "read_suite",
    "recall",
    "reciprocal_rank",
    "require_embedder",
    "require_metrics",
    "run_suite",
    "update_index",
    "verify_folder",
    "verify_index",
]
