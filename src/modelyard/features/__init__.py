"""Features: defined once, right in time, the same offline and online.

Owns definitions, the point-in-time join, history, the check for leaks, and materializing. Does not own the online
store or reading it in the path of a request: that is `online`.
"""

from .aggregations import Aggregation, AggregationView
from .answer import OnlineFeatures
from .applied import AppliedDefinitions, Change, all_described, changes_between
from .breaks import broken
from .definitions import (
    AVAILABLE,
    EVENT,
    PUSHED_AT,
    Definition,
    Definitions,
    Entity,
    Feature,
    FeatureService,
    FeaturesSettings,
    FeatureView,
    OnDemandPart,
    OnDemandView,
    PushLog,
    PushSource,
    RequestSource,
    Rows,
    SqlSource,
    ViewPart,
    load_definitions,
)
from .described import described, service_digest
from .errors import InvalidDefinition, SourceUnreadable, UnknownFeature
from .history import HistoricalFeatures, HistoryWritten, write_history
from .join import point_in_time_join
from .leaks import LeakQuestion, check_feature_leaks
from .materialize import Materialized, Materializer, Progress
from .selection import Selection, references, select
from .store import FeatureStore

__all__ = [
    "AVAILABLE",
    "EVENT",
    "PUSHED_AT",
    "Aggregation",
    "AggregationView",
    "AppliedDefinitions",
    "Change",
    "Definition",
    "Definitions",
    "Entity",
    "Feature",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "FeaturesSettings",
    "HistoricalFeatures",
    "HistoryWritten",
    "InvalidDefinition",
    "LeakQuestion",
    "Materialized",
    "Materializer",
    "OnDemandPart",
    "OnDemandView",
    "OnlineFeatures",
    "Progress",
    "PushLog",
    "PushSource",
    "RequestSource",
    "Rows",
    "Selection",
    "SourceUnreadable",
    "SqlSource",
    "UnknownFeature",
    "ViewPart",
    "all_described",
    "broken",
    "changes_between",
    "check_feature_leaks",
    "described",
    "load_definitions",
    "point_in_time_join",
    "references",
    "select",
    "service_digest",
    "write_history",
]
