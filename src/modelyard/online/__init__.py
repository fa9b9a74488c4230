"""Online features: the newest values, read in the path of a request.

Owns the feature plan a bundle carries, the online store and its embedded driver, and evaluating a plan. Does not own
definitions, joins or materializing: that is `features`.
"""

from .batch import RowBatch
from .columns import ColumnReader, FeatureColumns
from .contract import OnlineStore, ViewWriter
from .errors import InvalidExpression, InvalidRequestField, OnlineUnavailable, StaleFeatures, UnusableFeature
from .keys import KeyColumn
from .local import LocalOnlineStore
from .lookup import ViewColumns, ViewLookup
from .open import LOCAL, check_online_address, open_online_store
from .reader import FeatureReader, FeatureRow
from .records import (
    DerivedInput,
    DerivedPlan,
    EntityKey,
    FeaturePlan,
    Presence,
    RequestField,
    StalePolicy,
    StoredRow,
    ViewPlan,
    ViewState,
    table_of,
)
from .redis import RedisOnlineStore
from .rows import Column, bool_column, column_of, float_column, int_column, text_column

__all__ = [
    "LOCAL",
    "Column",
    "ColumnReader",
    "DerivedInput",
    "DerivedPlan",
    "EntityKey",
    "FeatureColumns",
    "FeaturePlan",
    "FeatureReader",
    "FeatureRow",
    "InvalidExpression",
    "InvalidRequestField",
    "KeyColumn",
    "LocalOnlineStore",
    "OnlineStore",
    "OnlineUnavailable",
    "Presence",
    "RedisOnlineStore",
    "RequestField",
    "RowBatch",
    "StaleFeatures",
    "StalePolicy",
    "StoredRow",
    "UnusableFeature",
    "ViewColumns",
    "ViewLookup",
    "ViewPlan",
    "ViewState",
    "ViewWriter",
    "bool_column",
    "check_online_address",
    "column_of",
    "float_column",
    "int_column",
    "open_online_store",
    "table_of",
    "text_column",
]
