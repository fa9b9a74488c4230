"""History: reading the prediction log over time, sealing it, and joining ground truth.

Owns the log as tables, and bringing it to other machines. Does not own writing it (`journal`) or judging it
(`monitoring`, `rollout`).
"""

from .compacting import Compacted
from .coverage import Coverage
from .erasing import Erased
from .errors import (
    CatalogDamaged,
    ExportExists,
    InvalidLabels,
    InvalidQuery,
    LogDamaged,
    NotALogRecord,
    ObjectsUnavailable,
    QueryFailed,
    ShippingInUse,
    UnknownDestination,
)
from .export import write_batches
from .features import NamesOf, feature_columns, feature_values
from .labels import Added, LabelColumns, add_labels
from .log import LogStats, PredictionLog
from .reading import FIXED
from .redacting import Redacted
from .retention import RetentionSettings, Retired
from .sealing import Sealed, alone
from .settings import LabelSettings, LogSettings
from .shipping import GROUP, TOPIC, Ingested, Ingester, ObjectShipper, Shipped, Shipper
from .sql import VIEWS, Database
from .verifying import Problem, Verified

__all__ = [
    "FIXED",
    "GROUP",
    "TOPIC",
    "VIEWS",
    "Added",
    "CatalogDamaged",
    "Compacted",
    "Coverage",
    "Database",
    "Erased",
    "ExportExists",
    "Ingested",
    "Ingester",
    "InvalidLabels",
    "InvalidQuery",
    "LabelColumns",
    "LabelSettings",
    "LogDamaged",
    "LogSettings",
    "LogStats",
    "NamesOf",
    "NotALogRecord",
    "ObjectShipper",
    "ObjectsUnavailable",
    "PredictionLog",
    "Problem",
    "QueryFailed",
    "Redacted",
    "RetentionSettings",
    "Retired",
    "Sealed",
    "Shipped",
    "Shipper",
    "ShippingInUse",
    "UnknownDestination",
    "Verified",
    "add_labels",
    "alone",
    "feature_columns",
    "feature_values",
    "write_batches",
]
