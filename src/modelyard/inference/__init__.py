"""Bundles: the only thing the data plane loads.

Owns the bundle's format, signature and encoding, verifying, trying in a child process, loading through a closed list of
runtimes, predicting, explaining predictions, and the mergeable histogram. Does not own building bundles (`bundling`) or
answering requests (`serving`).
"""

from .bundle import GOLDEN_FILE, PROFILE_FILE, Bundle, Golden, Predictions, load_bundle, worst_error
from .encode import Encoded, Encoder
from .errors import (
    BundleDamaged,
    BundleRefused,
    BundleTooNew,
    GoldenMismatch,
    InvalidRow,
    NotExplained,
    UnknownRuntime,
)
from .explain import (
    EXPLAIN_ARRAYS,
    EXPLAIN_FILE,
    EXPLAIN_VERSION,
    Columns,
    Contributions,
    ExplainInfo,
    LinearModel,
    Scale,
    TreeModel,
    load_explainer,
    pack_explainer,
)
from .explanation import explain_info
from .probe import probe_bundle
from .records import (
    FORMAT_VERSION,
    LARGEST_SINGLE,
    BundleInfo,
    CategoryProfile,
    ColumnProfile,
    Field,
    NumberProfile,
    ReferenceProfile,
    Signature,
    Task,
)
from .runtimes import RUNTIMES, Runtime
from .sketch import Counts, Sketch, merge
from .verify import verify_bundle
from .write import INFO_FILE, write_bundle

__all__ = [
    "EXPLAIN_ARRAYS",
    "EXPLAIN_FILE",
    "EXPLAIN_VERSION",
    "FORMAT_VERSION",
    "GOLDEN_FILE",
    "INFO_FILE",
    "LARGEST_SINGLE",
    "PROFILE_FILE",
    "RUNTIMES",
    "Bundle",
    "BundleDamaged",
    "BundleInfo",
    "BundleRefused",
    "BundleTooNew",
    "CategoryProfile",
    "ColumnProfile",
    "Columns",
    "Contributions",
    "Counts",
    "Encoded",
    "Encoder",
    "ExplainInfo",
    "Field",
    "Golden",
    "GoldenMismatch",
    "InvalidRow",
    "LinearModel",
    "NotExplained",
    "NumberProfile",
    "Predictions",
    "ReferenceProfile",
    "Runtime",
    "Scale",
    "Signature",
    "Sketch",
    "Task",
    "TreeModel",
    "UnknownRuntime",
    "explain_info",
    "load_bundle",
    "load_explainer",
    "merge",
    "pack_explainer",
    "probe_bundle",
    "verify_bundle",
    "worst_error",
    "write_bundle",
]
