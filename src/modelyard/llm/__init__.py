"""Language models in the loop: prompts and applications as versions; documents as an index, and how well it answers.

Owns prompts and applications as bundles, reading and cutting documents, indexes as immutable folders, searching them by
vectors and words, retrieval metrics and suites. Does not own vectors (`vectors`), embedders (`inference`, built by
`bundling`), asking upstreams (`generation`), or answering requests (`serving`).
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
from .prompts import (
    LONGEST_PROMPT,
    PromptReference,
    application_bundle,
    diff_prompts,
    mlflow_tags,
    prompt_bundle,
    read_prompt,
    read_prompt_file,
)
from .read import KINDS, Source, read_source
from .records import EVERYBODY, Chunk, Citation, Cutting, Document, Found, IndexInfo
from .search import MODES, Ask, Mode, Reranker, Searcher, fuse
from .settings import PriceSettings, UpstreamSettings
from .suite import Case, Measured, Outcome, Suite, compare, judge, read_suite, require_metrics, run_suite
from .verify import Verified, verify_index

__all__ = [
    "EVERYBODY",
    "KINDS",
    "LONGEST_PROMPT",
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
    "PriceSettings",
    "PromptReference",
    "Reranker",
    "Searcher",
    "Source",
    "Suite",
    "UnreadableDocument",
    "UpstreamSettings",
    "Verified",
    "application_bundle",
    "build_index",
    "compare",
    "diff_prompts",
    "fuse",
    "judge",
    "load_folder",
    "mlflow_tags",
    "ndcg",
    "open_index",
    "prompt_bundle",
    "read_prompt",
    "read_prompt_file",
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
