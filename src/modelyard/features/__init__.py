"""Features: defined once, right in time, the same offline and online.

Owns definitions, the point-in-time join, history, the check for leaks, and materializing. Does not own the online
store or reading it in the path of a request: that is `online`.
"""

from .answer import OnlineFeatures
from .definitions import (
    AVAILABLE,
    EVENT,
    PUSHED_AT,
    Definition,
    Definitions,
    Entity,
    Feature,
    FeaturesSettings,
    FeatureView,
    PushLog,
    PushSource,
    Rows,
    SqlSource,
    ViewPart,
    load_definitions,
)
from .errors import InvalidDefinition, SourceUnreadable, UnknownFeature
from .join import point_in_time_join
from .materialize import Materialized, Materializer, Progress
from .store import FeatureStore

__all__ = [
    "AVAILABLE",
    "EVENT",
    "PUSHED_AT",
    "Definition",
    "Definitions",
    "Entity",
    "Feature",
    "FeatureStore",
    "FeatureView",
    "FeaturesSettings",
    "InvalidDefinition",
    "Materialized",
    "Materializer",
    "OnlineFeatures",
    "Progress",
    "PushLog",
    "PushSource",
    "Rows",
    "SourceUnreadable",
    "SqlSource",
    "UnknownFeature",
    "ViewPart",
    "load_definitions",
    "point_in_time_join",
]
