"""Data: reading, declared checks, the leak check, versions and splits.

Owns tables before they are features. Does not own point-in-time joins (`features`) or live
distributions (`monitoring`).
"""

from .checks import check_table
from .errors import DataFailed, UnreadableData
from .leaks import check_leaks
from .project_code import load_function, load_module
from .reading import ColumnFacts, FileFacts, Reading, ReadOptions, open_data, parse_type, read_table
from .settings import ColumnChecks, DatasetSettings, ReadSettings
from .versions import DatasetVersion, known_by, split_by_time, version_of

__all__ = [
    "ColumnChecks",
    "ColumnFacts",
    "DataFailed",
    "DatasetSettings",
    "DatasetVersion",
    "FileFacts",
    "ReadOptions",
    "ReadSettings",
    "Reading",
    "UnreadableData",
    "check_leaks",
    "check_table",
    "known_by",
    "load_function",
    "load_module",
    "open_data",
    "parse_type",
    "read_table",
    "split_by_time",
    "version_of",
]
