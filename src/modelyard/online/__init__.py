"""Online features: the newest values, read in the path of a request.

Owns the feature plan a bundle carries, the online store and its embedded driver, and evaluating a plan. Does not own
definitions, joins or materializing: that is `features`. Its connection to Redis serves `streams` as well.
"""

from .batch import RowBatch
from .called import Called, Functions, Given, given_column
from .columns import ColumnReader, FeatureColumns, Sent, fields_of, keys_of
from .contract import OnlineStore, ViewWriter
from .derived import narrowed_plan
from .errors import (
    InvalidExpression,
    InvalidRequestField,
    NoFunctions,
    OnlineUnavailable,
    ServerError,
    StaleFeatures,
    UnusableFeature,
)
from .keys import KeyColumn
from .local import LocalOnlineStore, copy_local
from .lookup import ViewColumns, ViewLookup
from .open import LOCAL, check_online_address, open_online_store
from .postgres import PostgresOnlineStore
from .reader import FeatureReader, FeatureRow
from .records import (
    FALLS_BACK,
    SERVES_EXPIRED,
    CallMode,
    DerivedInput,
    DerivedPlan,
    EntityKey,
    FeaturePlan,
    FunctionPlan,
    OutputKind,
    Presence,
    RequestField,
    StalePolicy,
    StoredRow,
    ViewPlan,
    ViewState,
    table_of,
)
from .redis import RedisOnlineStore
from .resp import Address as RedisAddress
from .resp import Connection as RedisConnection
from .resp import Reply
from .rows import Column, bool_column, column_of, float_column, int_column, text_column

__all__ = [
    "FALLS_BACK",
    "LOCAL",
    "SERVES_EXPIRED",
    "CallMode",
    "Called",
    "Column",
    "ColumnReader",
    "DerivedInput",
    "DerivedPlan",
    "EntityKey",
    "FeatureColumns",
    "FeaturePlan",
    "FeatureReader",
    "FeatureRow",
    "FunctionPlan",
    "Functions",
    "Given",
    "InvalidExpression",
    "InvalidRequestField",
    "KeyColumn",
    "LocalOnlineStore",
    "NoFunctions",
    "OnlineStore",
    "OnlineUnavailable",
    "OutputKind",
    "PostgresOnlineStore",
    "Presence",
    "RedisAddress",
    "RedisConnection",
    "RedisOnlineStore",
    "Reply",
    "RequestField",
    "RowBatch",
    "Sent",
    "ServerError",
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
    "copy_local",
    "fields_of",
    "float_column",
    "given_column",
    "int_column",
    "keys_of",
    "narrowed_plan",
    "open_online_store",
    "table_of",
    "text_column",
]
