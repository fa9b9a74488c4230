"""Features: defined once, right in time, the same offline and online.

Owns definitions, the point-in-time join, history, the check for leaks, and materializing. Does not own the online
store or reading it in the path of a request: that is `online`.
"""

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
from .history import HistoricalFeatures, HistoryWritten, write_history
from .join import point_in_time_join
from .leaks import LeakQuestion, check_feature_leaks
from .materialize import Materialized, Materializer
from .selection import SERVICE, Selection, select
from .store import FeatureStore

__all__ = [
    "AVAILABLE",
    "EVENT",
    "PUSHED_AT",
    "SERVICE",
    "Definition",
    "Definitions",
    "Entity",
    "Feature",
    "FeatureStore",
    "FeatureView",
    "FeaturesSettings",
    "HistoricalFeatures",
    "HistoryWritten",
    "InvalidDefinition",
    "LeakQuestion",
    "Materialized",
    "Materializer",
    "PushLog",
    "PushSource",
    "Rows",
    "Selection",
    "SourceUnreadable",
    "SqlSource",
    "UnknownFeature",
    "ViewPart",
    "check_feature_leaks",
    "load_definitions",
    "point_in_time_join",
    "select",
    "write_history",
]
