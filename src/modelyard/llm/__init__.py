"""Language models in the loop: prompts and applications as versions; documents as an index, and how well it answers.

Owns prompts and applications as bundles, reading and cutting documents, building indexes, retrieval metrics and suites,
queues of answers that people judge; in `llm.answers` suites of answers. Does not own searching an index (`retrieval`),
vectors (`vectors`), embedders (`inference`, built by `bundling`), asking upstreams (`generation`), or answering
requests (`serving`).
"""

from .build import Change, build_index, update_index
from .changes import Changes, changes_of, digests_at, digests_of
from .errors import (
    IndexExists,
    InvalidSuite,
    NoIndex,
    NoTextLibrary,
    UnreadableDocument,
)
from .home import adopt, open_index, version_folder
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
from .queues import (
    LABELS,
    MOST_ITEMS,
    Agreement,
    Item,
    Judged,
    JudgeLabelled,
    Queues,
    Shown,
    read_items,
    sample_log,
)
from .read import KINDS, Source, read_source
from .settings import PriceSettings, UpstreamSettings
from .suite import Case, Measured, Outcome, Suite, compare, judge, read_suite, require_metrics, run_suite
from .verify import Verified, verify_index

__all__ = [
    "KINDS",
    "LABELS",
    "LONGEST_PROMPT",
    "METRICS",
    "MOST_ITEMS",
    "Agreement",
    "Case",
    "Change",
    "Changes",
    "IndexExists",
    "InvalidSuite",
    "Item",
    "JudgeLabelled",
    "Judged",
    "Measured",
    "NoIndex",
    "NoTextLibrary",
    "Outcome",
    "PriceSettings",
    "PromptReference",
    "Queues",
    "Shown",
    "Source",
    "Suite",
    "UnreadableDocument",
    "UpstreamSettings",
    "Verified",
    "adopt",
    "application_bundle",
    "build_index",
    "changes_of",
    "compare",
    "diff_prompts",
    "digests_at",
    "digests_of",
    "judge",
    "mlflow_tags",
    "ndcg",
    "open_index",
    "prompt_bundle",
    "read_items",
    "read_prompt",
    "read_prompt_file",
    "read_source",
    "read_suite",
    "recall",
    "reciprocal_rank",
    "require_metrics",
    "run_suite",
    "sample_log",
    "update_index",
    "verify_index",
    "version_folder",
]
