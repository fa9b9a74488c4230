"""Data: reading, declared checks, profiles, versions, splits and the leak check.

Owns tables before they are features. Does not own point-in-time joins (`features`) or live
distributions (`monitoring`).
"""

from .checks import (
    CheckResult,
    FailingRow,
    Inferred,
    Validation,
    check_batches,
    check_table,
    infer_schema,
    validate_table,
)
from .errors import DataFailed, DatasetVersionNotFound, UnreadableData
from .profile import Profile, profile, profile_page
from .project_code import load_function, load_module
from .reading import ColumnFacts, Damage, FileFacts, Reading, ReadOptions, open_data, parse_type, read_table
from .schema import (
    ColumnChecks,
    Relation,
    SchemaSettings,
    TablePromises,
    UniqueTogether,
    from_pandera,
    read_schema,
    to_pandera,
    write_schema,
)
from .settings import DatasetSettings, ReadSettings, promises_of
from .split import WEIGHT, check_leaks, check_split, folds, known_by, split, split_by_time, training_window
from .versions import DatasetVersion, Version, VersionDiff, Versions, content_digest, version_of

__all__ = [
    "WEIGHT",
    "CheckResult",
    "ColumnChecks",
    "ColumnFacts",
    "Damage",
    "DataFailed",
    "DatasetSettings",
    "DatasetVersion",
    "DatasetVersionNotFound",
    "FailingRow",
    "FileFacts",
    "Inferred",
    "Profile",
    "ReadOptions",
    "ReadSettings",
    "Reading",
    "Relation",
    "SchemaSettings",
    "TablePromises",
    "UniqueTogether",
    "UnreadableData",
    "Validation",
    "Version",
    "VersionDiff",
    "Versions",
    "check_batches",
    "check_leaks",
    "check_split",
    "check_table",
    "content_digest",
    "folds",
    "from_pandera",
    "infer_schema",
    "known_by",
    "load_function",
    "load_module",
    "open_data",
    "parse_type",
    "profile",
    "profile_page",
    "promises_of",
    "read_schema",
    "read_table",
    "split",
    "split_by_time",
    "to_pandera",
    "training_window",
    "validate_table",
    "version_of",
    "write_schema",
]
