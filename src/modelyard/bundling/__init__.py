"""Bundling: from a trained model to a bundle that answers the same, faster.

Owns reading model files, converters, the proof of parity, and the reference profile. Does not own the bundle's format
or loading it (`inference`), or where bundles are kept (`registry`).
"""

from .build import BUILD_FILE, Attempt, BuiltBundle, Facts, build_bundle
from .embedder import INT8_TOLERANCE, build_embedder_bundle, is_sentence_model, read_sentence_model, sample_texts
from .errors import NoFaithfulRuntime
from .original import OnnxFile, Original, tightened
from .profile import build_profile, permutation_importance
from .python_folder import PythonFolder
from .read import (
    ReadModel,
    as_read_model,
    classes_of,
    columns_of,
    levels_of,
    read_model,
    read_sample,
    read_tensors,
    require_model,
    task_of,
    width_of,
)
from .signature import infer_signature
from .tensors import TensorModel, build_tensor_bundle, tensor_model, tensor_rows, tensor_signature

__all__ = [
    "BUILD_FILE",
    "INT8_TOLERANCE",
    "Attempt",
    "BuiltBundle",
    "Facts",
    "NoFaithfulRuntime",
    "OnnxFile",
    "Original",
    "PythonFolder",
    "ReadModel",
    "TensorModel",
    "as_read_model",
    "build_bundle",
    "build_embedder_bundle",
    "build_profile",
    "build_tensor_bundle",
    "classes_of",
    "columns_of",
    "infer_signature",
    "is_sentence_model",
    "levels_of",
    "permutation_importance",
    "read_model",
    "read_sample",
    "read_sentence_model",
    "read_tensors",
    "require_model",
    "sample_texts",
    "task_of",
    "tensor_model",
    "tensor_rows",
    "tensor_signature",
    "tightened",
    "width_of",
]
