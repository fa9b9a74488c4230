"""Bundling: from a trained model to a bundle that answers the same, faster.

Owns converters, the proof of parity, and the reference profile. Does not own the bundle's format or loading it
(`inference`), or where bundles are kept (`registry`).
"""

from .build import Attempt, BuiltBundle, Facts, build_bundle
from .errors import NoFaithfulRuntime
from .profile import build_profile, permutation_importance
from .signature import infer_signature

__all__ = [
    "Attempt",
    "BuiltBundle",
    "Facts",
    "NoFaithfulRuntime",
    "build_bundle",
    "build_profile",
    "infer_signature",
    "permutation_importance",
]
