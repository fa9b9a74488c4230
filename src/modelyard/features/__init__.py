"""Features: defined once, right in time, the same offline and online.

Owns entities, feature views, the point-in-time join and materializing. Does not own the online store or reading it in
the path of a request: that is `online`.
"""

from .definitions import Definitions, Entity, FeaturesSettings, FeatureView, load_definitions
from .errors import InvalidDefinition, UnknownFeature
from .join import point_in_time_join
from .materialize import Materialized, Materializer
from .store import FeatureStore

__all__ = [
    "Definitions",
    "Entity",
    "FeatureStore",
    "FeatureView",
    "FeaturesSettings",
    "InvalidDefinition",
    "Materialized",
    "Materializer",
    "UnknownFeature",
    "load_definitions",
    "point_in_time_join",
]
