"""Data: reading, declared checks, profiles, versions, splits and the leak check.

Owns tables before they are features. Does not own point-in-time joins (`features`) or live
distributions (`monitoring`).
"""

from .batches import batches_of
from .checks import check_table
from .errors import DataFailed, DatasetVersionNotFound, UnreadableData
from .profile import Profile, profile, profile_page
from .settings import ColumnChecks, DatasetSettings
from .source import load_function, load_module, read_table
from .split import check_leaks, check_split, known_by, split, split_by_time
from .versions import DatasetVersion, Version, VersionDiff, Versions, version_of

__all__ = [
    "ColumnChecks",
    "DataFailed",
    "DatasetSettings",
    "DatasetVersion",
    "DatasetVersionNotFound",
    "Profile",
    "UnreadableData",
    "Version",
    "VersionDiff",
    "Versions",
    "batches_of",
    "check_leaks",
    "check_split",
    "check_table",
    "known_by",
    "load_function",
    "load_module",
    "profile",
    "profile_page",
    "read_table",
    "split",
    "split_by_time",
    "version_of",
]
