"""Online features: the newest values, read in the path of a request.

Owns the feature plan a bundle carries, the online store and its embedded driver, and evaluating a plan. Does not own
definitions, joins or materializing: that is `features`.
"""

from .contract import EntityKey, OnlineStore
from .errors import InvalidRequestField, OnlineUnavailable, StaleFeatures
from .local import LocalOnlineStore
from .reader import FeatureReader, FeatureRow
from .records import FeaturePlan, Presence, RequestField, StoredRow, ViewPlan, table_of

__all__ = [
    "EntityKey",
    "FeaturePlan",
    "FeatureReader",
    "FeatureRow",
    "InvalidRequestField",
    "LocalOnlineStore",
    "OnlineStore",
    "OnlineUnavailable",
    "Presence",
    "RequestField",
    "StaleFeatures",
    "StoredRow",
    "ViewPlan",
    "table_of",
]
