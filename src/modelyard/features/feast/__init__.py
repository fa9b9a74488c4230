"""Feast's repositories on this engine: the classes that a `feature_store.yaml` names by dotted path.

The only package that imports Feast, which is nobody's dependency here: Feast imports it. What Feast keeps of its own
above its stores (registry, CLI, on-demand transformations, push, feature server) goes on as it is.
"""

from .offline import ModelyardOfflineStore, ModelyardOfflineStoreConfig
from .online import ModelyardOnlineStore, ModelyardOnlineStoreConfig

__all__ = [
    "ModelyardOfflineStore",
    "ModelyardOfflineStoreConfig",
    "ModelyardOnlineStore",
    "ModelyardOnlineStoreConfig",
]
