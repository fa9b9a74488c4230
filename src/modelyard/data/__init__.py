"""Data: reading, declared checks, the leak check, versions and splits.

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
    open_rows,
    validate_table,
)
from .errors import DataFailed, UnreadableData
from .leaks import check_leaks
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
from .settings import DatasetSettings, promises_of
from .source import load_function, load_module, read_table
from .versions import DatasetVersion, known_by, split_by_time, version_of

__all__ = [
    "CheckResult",
    "ColumnChecks",
    "DataFailed",
    "DatasetSettings",
    "DatasetVersion",
    "FailingRow",
    "Inferred",
    "Relation",
    "SchemaSettings",
    "TablePromises",
    "UniqueTogether",
    "UnreadableData",
    "Validation",
    "check_batches",
    "check_leaks",
    "check_table",
    "from_pandera",
    "infer_schema",
    "known_by",
    "load_function",
    "load_module",
    "open_rows",
    "promises_of",
    "read_schema",
    "read_table",
    "split_by_time",
    "to_pandera",
    "validate_table",
    "version_of",
    "write_schema",
]
