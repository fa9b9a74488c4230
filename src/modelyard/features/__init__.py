"""Features: defined once, right in time, the same offline and online.

Owns definitions, the point-in-time join, history, the checks for leaks and for
training-serving skew, and materializing. Does not own the online
store or reading it in the path of a request: that is `online`.
"""

from .aggregations import Aggregation, AggregationView
from .answer import OnlineFeatures
from .applied import AppliedDefinitions, Change, all_described, changes_between
from .breaks import broken
from .definitions import (
    AVAILABLE,
    EVENT,
    Definition,
    Definitions,
    Entity,
    Feature,
    FeatureService,
    FeaturesSettings,
    FeatureView,
    OnDemandPart,
    OnDemandView,
    PushSource,
    RequestSource,
    Rows,
    SqlSource,
    StreamSource,
    ViewPart,
    load_definitions,
    on_demand_view,
)
from .described import described, service_digest
from .errors import BadMessage, FunctionNotRunnable, InvalidDefinition, SourceUnreadable, UnknownFeature
from .history import HistoricalFeatures, HistoryWritten, write_history
from .join import Entities, joined, point_in_time_join, prepare
from .leaks import LeakQuestion, check_feature_leaks
from .materialize import Materialized, Materializer, Progress
from .pushed import MESSAGE, PUSHED_AT, PushLog
from .selection import Selection, references, select
from .skew import CAUSES, ServedDeployments, SkewColumn, SkewExample, SkewReport, VersionPlan, kept_functions
from .store import FeatureStore
from .streaming import StreamPushed, StreamPusher

__all__ = [
    "AVAILABLE",
    "CAUSES",
    "EVENT",
    "MESSAGE",
    "PUSHED_AT",
    "Aggregation",
    "AggregationView",
    "AppliedDefinitions",
    "BadMessage",
    "Change",
    "Definition",
    "Definitions",
    "Entities",
    "Entity",
    "Feature",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "FeaturesSettings",
    "FunctionNotRunnable",
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
    "ServedDeployments",
    "SkewColumn",
    "SkewExample",
    "SkewReport",
    "SourceUnreadable",
    "SqlSource",
    "StreamPushed",
    "StreamPusher",
    "StreamSource",
    "UnknownFeature",
    "VersionPlan",
    "ViewPart",
    "all_described",
    "broken",
    "changes_between",
    "check_feature_leaks",
    "described",
    "joined",
    "kept_functions",
    "load_definitions",
    "on_demand_view",
    "point_in_time_join",
    "prepare",
    "references",
    "select",
    "service_digest",
    "write_history",
]
