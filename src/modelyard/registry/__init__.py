"""The registry: model versions, aliases and their history.

Owns what exists and what is fully live. Does not own runs and numbers (`tracking`), how a version becomes live
(`rollout`), or the bundle's content (`inference`).
"""

from .errors import AlreadyRegistered, ModelVersionNotFound, NotServable
from .records import ModelVersion
from .registry import STAGES, Registry, alias_of, point_alias, pointed_at

__all__ = [
    "STAGES",
    "AlreadyRegistered",
    "ModelVersion",
    "ModelVersionNotFound",
    "NotServable",
    "Registry",
    "alias_of",
    "point_alias",
    "pointed_at",
]
