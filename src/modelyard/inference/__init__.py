"""Bundles: the only thing the data plane loads.

Owns the bundle's format, signature and encoding, verifying, who has signed it and whose word is taken, trying in a
child process, loading through a closed list of runtimes (some in worker processes of their own), predicting, explaining
predictions, and the mergeable histogram. Does not own building bundles (`bundling`) or answering (`serving`).
"""

from .bundle import GOLDEN_ARRAYS, GOLDEN_FILE, PROFILE_FILE, Bundle, Golden, Predictions, load_bundle, worst_error
from .compiled import TREES_FILE, TreeArrays, compiled_walker, pack_trees, ready_walker, unpack_trees
from .encode import Encoded, Encoder
from .errors import (
    BundleDamaged,
    BundleNotTrusted,
    BundleRefused,
    BundleTooNew,
    GoldenMismatch,
    InvalidRow,
    IsolatedModelFailed,
    NotExplained,
    PythonNotPermitted,
    SignaturesDamaged,
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
from .isolated import (
    ARCHIVE_FILE,
    LIGHTGBM_FILE,
    PICKLE_FILE,
    PYTHON_FILE,
    SOURCE_MODULE,
    XGBOOST_FILE,
    IsolationLimits,
    PythonModel,
    data_frame,
)
from .permission import PYTHON, admit
from .probe import probe_bundle
from .records import (
    FORMAT_VERSION,
    LARGEST_SINGLE,
    BundleInfo,
    CategoryProfile,
    ColumnProfile,
    Field,
    FieldKind,
    NumberProfile,
    ReferenceProfile,
    Signature,
    Task,
)
from .runtimes import ISOLATED, RUNTIMES, Runtime
from .runtimes.onnx import GIVEN
from .runtimes.trees import TREES, TreesRuntime, load_trees
from .signing import NO_TRUST_ASKED, SIGNATURES_FILE, Trust, add_signatures, sign_bundle, signers_of
from .sketch import Counts, Sketch, merge
from .tensors import TensorEncoder, described, encoder_of, pack_golden, tensor_of
from .verify import verify_bundle
from .write import INFO_FILE, write_bundle

__all__ = [
    "ARCHIVE_FILE",
    "EXPLAIN_ARRAYS",
    "EXPLAIN_FILE",
    "EXPLAIN_VERSION",
    "FORMAT_VERSION",
    "GIVEN",
    "GOLDEN_ARRAYS",
    "GOLDEN_FILE",
    "INFO_FILE",
    "ISOLATED",
    "LARGEST_SINGLE",
    "LIGHTGBM_FILE",
    "NO_TRUST_ASKED",
    "PICKLE_FILE",
    "PROFILE_FILE",
    "PYTHON",
    "PYTHON_FILE",
    "RUNTIMES",
    "SIGNATURES_FILE",
    "SOURCE_MODULE",
    "TREES",
    "TREES_FILE",
    "XGBOOST_FILE",
    "Bundle",
    "BundleDamaged",
    "BundleInfo",
    "BundleNotTrusted",
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
    "FieldKind",
    "Golden",
    "GoldenMismatch",
    "InvalidRow",
    "IsolatedModelFailed",
    "IsolationLimits",
    "LinearModel",
    "NotExplained",
    "NumberProfile",
    "Predictions",
    "PythonModel",
    "PythonNotPermitted",
    "ReferenceProfile",
    "Runtime",
    "Scale",
    "Signature",
    "SignaturesDamaged",
    "Sketch",
    "Task",
    "TensorEncoder",
    "TreeArrays",
    "TreeModel",
    "TreesRuntime",
    "Trust",
    "UnknownRuntime",
    "add_signatures",
    "admit",
    "compiled_walker",
    "data_frame",
    "described",
    "encoder_of",
    "explain_info",
    "load_bundle",
    "load_explainer",
    "load_trees",
    "merge",
    "pack_explainer",
    "pack_golden",
    "pack_trees",
    "probe_bundle",
    "ready_walker",
    "sign_bundle",
    "signers_of",
    "tensor_of",
    "unpack_trees",
    "verify_bundle",
    "worst_error",
    "write_bundle",
]
