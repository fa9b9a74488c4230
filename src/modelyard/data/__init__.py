"""Data: reading, declared checks, the leak check, versions and splits.

Owns tables before they are features. Does not own point-in-time joins (`features`) or live
distributions (`monitoring`).
"""

from .checks import check_table
from .errors import DataFailed, UnreadableData
from .leaks import check_leaks
from .schema.settings import ColumnChecks
from .settings import DatasetSettings
from .source import load_function, load_module, read_table
from .versions import DatasetVersion, known_by, split_by_time, version_of

__all__ = [
    "ColumnChecks",
    "DataFailed",
    "DatasetSettings",
    "DatasetVersion",
    "UnreadableData",
    "check_leaks",
    "check_table",
    "known_by",
    "load_function",
    "load_module",
    "read_table",
    "split_by_time",
    "version_of",
]
