"""Bundling: from a trained model to a bundle that answers the same, faster.

Owns reading model files, converters, the proof of parity, and the reference profile. Does not own the bundle's format
or loading it (`inference`), or where bundles are kept (`registry`).
"""

from .build import BUILD_FILE, Attempt, BuiltBundle, Facts, build_bundle
from .errors import NoFaithfulRuntime
from .original import OnnxFile, Original, tightened
from .profile import build_profile, permutation_importance
from .python_folder import PythonFolder
from .read import ReadModel, classes_of, columns_of, levels_of, read_model, read_sample, task_of
from .signature import infer_signature

__all__ = [
    "BUILD_FILE",
    "Attempt",
    "BuiltBundle",
    "Facts",
    "NoFaithfulRuntime",
    "OnnxFile",
    "Original",
    "PythonFolder",
    "ReadModel",
    "build_bundle",
    "build_profile",
    "classes_of",
    "columns_of",
    "infer_signature",
    "levels_of",
    "permutation_importance",
    "read_model",
    "read_sample",
    "task_of",
    "tightened",
]
