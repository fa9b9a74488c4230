"""Online features: the newest values, read in the path of a request.

Owns the feature plan a bundle carries, the online store and its embedded driver, and evaluating a plan. Does not own
definitions, joins or materializing: that is `features`.
"""

from .batch import RowBatch
from .contract import EntityKey, OnlineStore, ViewWriter
from .errors import InvalidRequestField, OnlineUnavailable, StaleFeatures
from .local import LocalOnlineStore
from .lookup import ViewColumns, ViewLookup
from .reader import FeatureReader, FeatureRow
from .records import FeaturePlan, Presence, RequestField, StalePolicy, StoredRow, ViewPlan, ViewState, table_of
from .rows import Column, bool_column, column_of, float_column, int_column, text_column

__all__ = [
    "Column",
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
    "RowBatch",
    "StaleFeatures",
    "StalePolicy",
    "StoredRow",
    "ViewColumns",
    "ViewLookup",
    "ViewPlan",
    "ViewState",
    "ViewWriter",
    "bool_column",
    "column_of",
    "float_column",
    "int_column",
    "table_of",
    "text_column",
]
