"""Data: reading, declared checks, profiles, versions, splits and the leak check.

Owns tables before they are features. Does not own point-in-time joins (`features`) or live
distributions (`monitoring`).
"""

from .checks import check_table
from .errors import DataFailed, DatasetVersionNotFound, UnreadableData
from .profile import Profile, profile, profile_page
from .project_code import load_function, load_module
from .reading import ColumnFacts, FileFacts, Reading, ReadOptions, open_data, parse_type, read_table
from .settings import ColumnChecks, DatasetSettings, ReadSettings
from .split import check_leaks, check_split, known_by, split, split_by_time
from .versions import DatasetVersion, Version, VersionDiff, Versions, version_of

__all__ = [
    "ColumnChecks",
    "ColumnFacts",
    "DataFailed",
    "DatasetSettings",
    "DatasetVersion",
    "DatasetVersionNotFound",
    "FileFacts",
    "Profile",
    "ReadOptions",
    "ReadSettings",
    "Reading",
    "UnreadableData",
    "Version",
    "VersionDiff",
    "Versions",
    "check_leaks",
    "check_split",
    "check_table",
    "known_by",
    "load_function",
    "load_module",
    "open_data",
    "parse_type",
    "profile",
    "profile_page",
    "read_table",
    "split",
    "split_by_time",
    "version_of",
]
